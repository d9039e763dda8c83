/*
 * stampede_ways.cc - how processes get an answer that others may want at the same time
 *
 * Each way looks first where answers are kept, and a process that has got the right to compute looks there again, since
 * another one may have computed between its first look and its turn.  Each keeps what it has computed.  So each way
 * computes an answer once at least, and no way is spared the look that finds it.
 *
 * alone   no coalescing: who misses computes.  Answers are kept in files in memory, one a group, replaced by rename; a
 *         file of another version is stale.
 * flock   the same files.  Who misses locks the group's lock file and waits for that; the holder computes and writes
 *         the file, the others look again once they have the lock, one after the other.  This is flock(1) around a
 *         cron job, and the file caches of web frameworks.
 * redis   answers and locks in Redis.  GET; else SET lock NX PX; who has the lock computes, and then does SET and DEL in
 *         one write.  The others sleep and GET again.  They sleep for one millisecond, which is as short as computing
 *         takes; libraries sleep for 100 (redis-py), 200 (Redlock) or 250 (Laravel) milliseconds by default.
 * redis_publish  the same without sleeping: who does not get the lock has a second connection, subscribes there, looks
 *         again, and waits for the answer, which the holder also publishes.  As Redisson does it.  It is spared the
 *         watch over a holder that dies.
 * covey   covey_resolve() on the same files as above.  The compute callback looks again, computes, and writes the file;
 *         who waits gets the bytes from covey and does not read the file.  It is the only way here that notices a
 *         computing process's death at once, beside flock.
 */
#include <covey.h>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <memory>
#include <optional>
#include <stdexcept>
#include <sys/file.h>
#include <unistd.h>
#include "redis.h"
#include "stampede.h"

namespace bench
{
namespace
{

using Found = std::optional<std::string>;

class KeptInFiles
{
	std::string directory_;

      public:
	explicit KeptInFiles(const std::string &directory) : directory_(directory)
	{
	}
	std::string path(const Item &item) const
	{
		return directory_ + "/" + std::to_string(item.group);
	}
	/* A file begins with the number of its version. */
	Found look(const Item &item) const
	{
		char text[4096];
		uint32_t version = 0;
		int fd = open(path(item).c_str(), O_RDONLY | O_CLOEXEC);
		ssize_t size = fd < 0 ? 0 : read(fd, text, sizeof text);
		close(fd);
		if (size < ssize_t{sizeof version})
			return {};
		memcpy(&version, text, sizeof version);
		if (version != item.version)
			return {};
		return std::string(text + sizeof version, static_cast<size_t>(size) - sizeof version);
	}
	std::string keep(const Item &item, std::string answer) const
	{
		std::string temporary = path(item) + "." + std::to_string(getpid());
		std::string bytes(reinterpret_cast<const char *>(&item.version), sizeof item.version);
		bytes += answer;
		int fd = open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		ssize_t written = write(fd, bytes.data(), bytes.size());
		close(fd);
		if (written != static_cast<ssize_t>(bytes.size()) || rename(temporary.c_str(), path(item).c_str()) != 0)
			throw std::runtime_error("an answer cannot be kept");
		return answer;
	}
	std::string look_or_compute(const Item &item, const Compute &compute) const
	{
		Found found = look(item);
		return found ? *found : keep(item, compute());
	}
};

/* ---- Redis */

class RedisWay
{
	Redis redis_;
	std::unique_ptr<Redis> subscriber_; /* only if answers are published */

	struct Keys {
		std::string answer, lock;
		explicit Keys(const Item &item)
		    : answer("answer:" + std::to_string(item.group) + ":" + std::to_string(item.version)),
		      lock("lock:" + answer)
		{
		}
	};

	Found look(const Keys &keys)
	{
		Redis::Answer answer = redis_.say({"GET", keys.answer}).hear();
		return answer.type == '$' ? Found(answer.text) : Found();
	}
	bool lock(const Keys &keys)
	{
		return redis_.say({"SET", keys.lock, "token", "NX", "PX", "10000"}).hear().text == "OK";
	}
	std::string keep_and_unlock(const Keys &keys, const std::string &answer)
	{
		redis_.say({"SET", keys.answer, answer, "PX", "10000"}).say({"DEL", keys.lock});
		if (subscriber_)
			redis_.say({"PUBLISH", keys.answer, answer});
		redis_.hear();
		redis_.hear();
		if (subscriber_)
			redis_.hear();
		return answer;
	}
	std::string locked(const Keys &keys, const Compute &compute)
	{
		Found found = look(keys);
		if (!found)
			return keep_and_unlock(keys, compute());
		redis_.say({"DEL", keys.lock}).hear();
		return *found;
	}
	std::string await_message(const Keys &keys)
	{
		subscriber_->say({"SUBSCRIBE", keys.answer}).hear();
		Found found = look(keys);
		std::string answer = found ? *found : subscriber_->hear().text;
		subscriber_->say({"UNSUBSCRIBE", keys.answer});
		while (subscriber_->hear().text != "0") /* what was published since comes before the confirmation */
			;
		return answer;
	}

      public:
	explicit RedisWay(bool publishes) : subscriber_(publishes ? new Redis : nullptr)
	{
	}
	std::string ask(const Item &item, const Compute &compute)
	{
		Keys keys(item);
		for (;;) {
			if (Found found = look(keys))
				return *found;
			if (lock(keys))
				return locked(keys, compute);
			if (subscriber_)
				return await_message(keys);
			timespec pause = {0, 1000000};
			nanosleep(&pause, nullptr);
		}
	}
};

Ask ask_redis_by(bool publishes)
{
	auto way = std::make_shared<RedisWay>(publishes);
	return [way](const Item &item, const Compute &compute) { return way->ask(item, compute); };
}

/* ---- covey */

struct Asked {
	const KeptInFiles &files;
	const Item &item;
	const Compute &compute;
};

int compute_for_all(void *self, covey_bytes, covey_bytes, covey_answer *answer)
{
	auto &asked = *static_cast<Asked *>(self);
	try {
		std::string bytes = asked.files.look_or_compute(asked.item, asked.compute);
		return covey_answer_copy(answer, bytes.data(), bytes.size());
	} catch (const std::exception &) {
		return 1; /* not through C */
	}
}

std::string resolve(covey *region, Asked asked)
{
	std::string group = asked.files.path(asked.item);
	covey_device device{};
	device.self = &asked;
	device.compute = compute_for_all;
	covey_result result;
	int outcome = covey_resolve(region, &device, {group.data(), group.size()},
	        {&asked.item.version, sizeof asked.item.version}, nullptr, &result);
	std::string answer;
	if (outcome == COVEY_OK)
		answer.assign(static_cast<const char *>(result.data), result.size);
	covey_release(region, &result);
	return answer;
}

} // namespace

Ask ask_alone(const Place &place)
{
	return [files = KeptInFiles(place.directory)](
	               const Item &item, const Compute &compute) { return files.look_or_compute(item, compute); };
}

Ask ask_flock(const Place &place)
{
	return [files = KeptInFiles(place.directory)](const Item &item, const Compute &compute) {
		if (Found found = files.look(item))
			return *found;
		std::string lock = files.path(item) + ".lock";
		int fd = open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		if (flock(fd, LOCK_EX) != 0)
			throw std::runtime_error("flock failed");
		std::string answer = files.look_or_compute(item, compute);
		close(fd);
		return answer;
	};
}

Ask ask_redis(const Place &)
{
	return ask_redis_by(false);
}

Ask ask_redis_publish(const Place &)
{
	return ask_redis_by(true);
}

Ask ask_covey(const Place &place)
{
	return [region = place.region, files = KeptInFiles(place.directory)](const Item &item, const Compute &compute) {
		if (Found found = files.look(item))
			return *found;
		return resolve(region, {files, item, compute});
	};
}

} // namespace bench
