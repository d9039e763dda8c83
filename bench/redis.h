/*
 * redis.h - a Redis server of the suite's own, and a connection to it
 *
 * The server is made as its users tune it for this: no persistence, a Unix socket, no TCP; all else by default.  It
 * ends with the suite, by SIGTERM, upon which it removes its socket.  The connection speaks the protocol by hand: a
 * command is written from its words into one buffer, and answers are read as they lie; nothing is spared the server,
 * and the client has less to do than hiredis has.  Commands that are said together go out in one write (a pipeline).
 */
#ifndef BENCH_REDIS_H
#define BENCH_REDIS_H

#include <initializer_list>
#include <string>
#include <string_view>
#include "runtime.h"

namespace bench
{

Runtime &redis_server(); /* started at the first call */
std::string redis_socket();

class Redis
{
	int socket_;
	std::string said_, heard_;
	size_t at_ = 0; /* in heard_ */

	void flush();
	void more();
	std::string_view line();
	void skip(size_t bytes);

      public:
	/* The type of an answer as the protocol has it: '+' '-' ':' '$' '*', or '0' for nil.  The text of a list is that of
	 * its last element. */
	struct Answer {
		char type;
		std::string text;
	};
	Redis(); /* throws when there is no server */
	~Redis();
	Redis(const Redis &) = delete;
	Redis &operator=(const Redis &) = delete;

	Redis &say(std::initializer_list<std::string_view> words);
	Answer hear(); /* sends what was said; throws when the server has gone */
};

} // namespace bench
#endif
