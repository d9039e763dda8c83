/*
 * page.h - the text of BENCHMARKS.md
 */
#ifndef BENCH_PAGE_H
#define BENCH_PAGE_H

#include <ostream>
#include <string>
#include "samples.h"

namespace bench
{

/* versions: the page's words about the peers; plots: where they are, or empty when there are none. */
void write_page(std::ostream &out, const Run &run, const std::string &versions, const std::string &plots);

} // namespace bench
#endif
