/*
 * model.h - what calls cost on other machines, from what they do and from what this machine takes for each of it
 */
#ifndef BENCH_MODEL_H
#define BENCH_MODEL_H

#include <ostream>
#include "samples.h"

namespace bench
{

/* The section of the page, with the constants of this run and the errors that the model has in it.  What the run has not
 * measured is left out; nothing is written if that is all. */
void write_model(std::ostream &out, const Run &run);

} // namespace bench
#endif
