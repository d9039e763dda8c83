/* redis.cc - see redis.h */
#include "redis.h"
#include <charconv>
#include <cstring>
#include <stdexcept>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace bench
{

/* Children of the suite find the socket of the process that started the server. */
std::string redis_socket()
{
	static const std::string path = "/tmp/covey-bench-redis-" + std::to_string(getpid()) + ".sock";
	return path;
}

Runtime &redis_server()
{
	static Runtime server("Redis",
	        "command -v redis-server >/dev/null && exec redis-server --port 0 --unixsocket " + redis_socket() +
	                " --unixsocketperm 600 --save '' --appendonly no",
	        "ready to accept connections", SIGTERM);
	return server;
}

Redis::Redis() : socket_(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0))
{
	sockaddr_un address{};
	address.sun_family = AF_UNIX;
	redis_socket().copy(address.sun_path, sizeof address.sun_path - 1);
	if (connect(socket_, reinterpret_cast<sockaddr *>(&address), sizeof address) != 0) {
		close(socket_);
		throw std::runtime_error("Redis is not installed, or does not start");
	}
}

Redis::~Redis()
{
	close(socket_);
}

static void append_size(std::string &to, char type, size_t size)
{
	char text[24];
	auto end = std::to_chars(text, text + sizeof text, size).ptr;
	to.append(1, type).append(text, end).append("\r\n", 2);
}

Redis &Redis::say(std::initializer_list<std::string_view> words)
{
	append_size(said_, '*', words.size());
	for (std::string_view word : words) {
		append_size(said_, '$', word.size());
		said_.append(word).append("\r\n", 2);
	}
	return *this;
}

void Redis::flush()
{
	for (size_t sent = 0; sent < said_.size();) {
		ssize_t size = send(socket_, said_.data() + sent, said_.size() - sent, MSG_NOSIGNAL);
		if (size < 0)
			throw std::runtime_error("Redis has gone");
		sent += static_cast<size_t>(size);
	}
	said_.clear();
}

void Redis::more()
{
	char some[16384];
	ssize_t size = recv(socket_, some, sizeof some, 0);
	if (size <= 0)
		throw std::runtime_error("Redis has gone");
	heard_.append(some, static_cast<size_t>(size));
}

/* The next line, without its end; valid until more() is called. */
std::string_view Redis::line()
{
	size_t end;
	while ((end = heard_.find("\r\n", at_)) == std::string::npos)
		more();
	std::string_view text(heard_.data() + at_, end - at_);
	at_ = end + 2;
	return text;
}

void Redis::skip(size_t bytes)
{
	while (heard_.size() - at_ < bytes)
		more();
	at_ += bytes;
}

Redis::Answer Redis::hear()
{
	flush();
	if (at_ == heard_.size()) {
		heard_.clear();
		at_ = 0;
	}
	std::string_view head = line();
	Answer answer{head.at(0), std::string(head.substr(1))};
	if (answer.type != '$' && answer.type != '*')
		return answer;
	long size = atol(answer.text.c_str());
	if (size < 0)
		return {'0', ""};
	if (answer.type == '$') {
		skip(static_cast<size_t>(size) + 2);
		answer.text.assign(heard_, at_ - static_cast<size_t>(size) - 2, static_cast<size_t>(size));
	}
	for (; answer.type == '*' && size > 0; size--)
		answer.text = hear().text;
	return answer;
}

} // namespace bench
