/*
 * main.cc - the suite: covey and its peers, registered side by side for google-benchmark
 *
 * Names read FIGURE/case/subject.  The thread that measures stays on the first core; helper threads of the peers are
 * started before that, so that they may use the others.
 */
#include <cstdio>
#include <exception>
#include <urcu/urcu-memb.h>
#include <urcu/call-rcu.h>
#include "processes.h"
#include "subjects.h"
#include "sweep.h"

int main(int argc, char **argv)
{
	benchmark::Initialize(&argc, argv);
	if (benchmark::ReportUnrecognizedArguments(argc, argv))
		return 1;
	urcu_memb_register_thread();
	urcu_memb_get_default_call_rcu_data();
	bench::pin_to(0);
	bench::register_raw();
	bench::register_p1();
	bench::register_ck_ht();
	bench::register_lfht();
	bench::register_boost();
	bench::register_flock();
	bench::register_redis();
	bench::register_apcu();
	bench::register_go();
	bench::register_erlang();
	bench::register_p2();
	bench::register_p3();
	bench::register_p4();
	bench::register_p5();
	bench::register_p5_host();
	bench::register_p6();
	bench::register_p7();
	bench::register_p8();
	bench::register_p9();
	bench::register_visits();
	bench::register_stampede();
	bench::register_sweeps();
	try {
		benchmark::RunSpecifiedBenchmarks();
	} catch (const std::exception &e) {
		fprintf(stderr, "covey_bench: %s\n", e.what());
		return 1;
	}
	benchmark::Shutdown();
	return 0;
}
