<?php
/*
 * peer_apcu.php - the APCu peer: what a PHP application has between the processes of one server
 *
 * Of P1 and P2: "entry" is apcu_entry() of a missing key with a function that gives a number at once, and apcu_delete();
 * "add" is apcu_add(), which refuses a second holder, and apcu_delete().
 *
 * Of the stampede: apcu_entry(key, compute, ttl), which PHP's manual gives for it.  APCu locks its whole cache while
 * compute runs, and every hit of apcu_entry() takes that lock too: so each answer is computed once, and computing one group
 * delays all others.  The processes are forked before, as those of a server are, and share APCu's segment; each sleeps on
 * a socket until its parent tells it what to ask, one after the other.  They note the time as the suite's own
 * processes do, and check the same 1024 bytes.
 *
 * Driven by peer_apcu.cc: each line of the standard input is answered by a line of numbers.  Times are nanoseconds.
 */
declare(strict_types=1);

if (!function_exists('apcu_entry') || !apcu_enabled() || !function_exists('pcntl_fork'))
	exit(1);

set_error_handler(fn() => exit(1)); /* a warning too is a failure */

/* ---- P1 and P2: each step takes a key and gives it up */

function entry(string $key): bool
{
	return apcu_entry($key, fn() => 1) === 1 && apcu_delete($key);
}

function add(string $key): bool
{
	return apcu_add($key, 1) && apcu_delete($key);
}

/* 24 bytes that begin alike. */
function name_of(int $number): string
{
	return "thumbs/\0" . hash('xxh128', pack('q', $number), true);
}

/* So many names to go through in turn. */
function names(string $which, int $lane, int $trips): array
{
	static $used = 0;
	$count = ['same' => 1, 'cycle' => 1024, 'fresh' => 3 * $trips][$which];
	$first = ($lane << 20) + ($which === 'fresh' ? (1 << 41) + ($used += $count) : (1 << 42));
	return array_map('name_of', range($first, $first + $count - 1));
}

function together(callable $step, array $names, int $at, int $trips): int
{
	$count = count($names);
	$ok = true;
	$begin = hrtime(true);
	for ($i = 0; $i < $trips; $i++)
		$ok = $step($names[($at + $i) % $count]) && $ok;
	$time = hrtime(true) - $begin;
	if (!$ok)
		exit(1);
	return $time;
}

function each_by_itself(callable $step, array $names, int $at, int $trips): array
{
	$times = [];
	for ($i = 0; $i < $trips; $i++)
		$times[] = together($step, $names, $at + $i, 1);
	sort($times);
	return $times;
}

function measure(callable $step, string $which, int $trips): array
{
	$names = names($which, 0, $trips);
	together($step, $names, 0, $trips);
	$mean = intdiv(together($step, $names, $trips, $trips), $trips);
	$times = each_by_itself($step, $names, 2 * $trips, $trips);
	return [$mean, ...array_map(fn($q) => $times[(int)(($trips - 1) * $q)], [0.5, 0.99, 0.999])];
}

/* ---- processes that answer lines */

class Crew
{
	private static array $all = [];
	private array $lines = [];

	/* $answer makes of a line, and of the child's own line, what it answers */
	public function __construct(int $processes, callable $answer)
	{
		for ($i = 0; $i < $processes; $i++) {
			[$mine, $its] = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0);
			if (pcntl_fork() === 0) {
				fclose($mine);
				array_map('fclose', $this->lines); /* or it would outlive its parent */
				while (($line = fgets($its)) !== false)
					fwrite($its, $answer(explode(' ', trim($line)), $its) . "\n");
				exit(0);
			}
			fclose($its);
			$this->lines[] = $mine;
		}
		self::$all[] = $this;
	}
	public function tell(int $child, string $line): void
	{
		fwrite($this->lines[$child], "$line\n");
	}
	public function hear(int $child): string
	{
		$line = fgets($this->lines[$child]);
		if ($line === false)
			exit(1);
		return trim($line);
	}
	public static function end_all(): void
	{
		foreach (self::$all as $crew)
			array_map('fclose', $crew->lines);
		while (pcntl_wait($status) > 0)
			;
	}
}

/* ---- P2: one process, and two at once */

function answer_of_two(array $words): string
{
	[$lane, $trips] = array_map('intval', $words);
	static $names = null;
	$names ??= names('cycle', $lane, $trips);
	$begin = hrtime(true);
	together('entry', $names, 0, $trips);
	return $begin . ' ' . hrtime(true);
}

function time_of(Crew $crew, int $processes, int $trips): int
{
	for ($i = 0; $i < $processes; $i++)
		$crew->tell($i, ($i + 1) . " $trips");
	$begins = $ends = [];
	for ($i = 0; $i < $processes; $i++)
		[$begins[], $ends[]] = array_map('intval', explode(' ', $crew->hear($i)));
	return max($ends) - min($begins);
}

function one_and_two(int $trips): array
{
	static $crew = null;
	$crew ??= new Crew(2, 'answer_of_two');
	time_of($crew, 2, $trips);
	return [time_of($crew, 1, $trips), time_of($crew, 2, $trips)];
}

/* ---- the stampede */

function answer_to(int $group, int $version): string
{
	return substr(str_repeat(sprintf("group %04d@%010d\n", $group, $version), 47), 0, 1024);
}

/* Of this process; the kernel's figures are exact to the microsecond. */
function cpu_microseconds(): int
{
	$u = getrusage();
	return ($u['ru_utime.tv_sec'] + $u['ru_stime.tv_sec']) * 1000000 + $u['ru_utime.tv_usec'] + $u['ru_stime.tv_usec'];
}

function burn(int $microseconds): void
{
	$begin = cpu_microseconds();
	while (cpu_microseconds() - $begin < $microseconds)
		;
}

/* By sleeping, burning, or sleeping slowly: that one tells the parent when it begins. */
function compute(int $group, int $version, string $how, int $ms, $line): string
{
	if ($how === 'slow')
		fwrite($line, "computing\n");
	$how === 'burn' ? burn(1000 * $ms) : usleep(1000 * $ms);
	return answer_to($group, $version);
}

function answer_of_stampede(array $words, $line): string
{
	[$group, $version, $how, $ms] = [(int)$words[0], (int)$words[1], $words[2], (int)$words[3]];
	$computed = 0;
	$begin = hrtime(true);
	$answer = apcu_entry("answer:$group:$version", function () use ($group, $version, $how, $ms, $line, &$computed) {
		$computed++;
		return compute($group, $version, $how, $ms, $line);
	}, 10);
	$end = hrtime(true);
	return $answer === answer_to($group, $version) ? "$begin $end $computed" : 'wrong';
}

/* One round: its time, how often it was computed, and each wait.  With a slow group, process 0 asks for that first, and
 * only how often it computed counts. */
function stampede(int $processes, int $groups, string $how, int $ms, int $slow_ms): array
{
	static $crews = [], $version = 0;
	$crews[$processes] ??= new Crew($processes, 'answer_of_stampede');
	$crew = $crews[$processes];
	$version++;
	$first = $slow_ms > 0 ? 1 : 0;
	if ($first === 1) {
		$crew->tell(0, "$groups $version slow $slow_ms");
		if ($crew->hear(0) !== 'computing')
			exit(1);
	}
	for ($i = $first; $i < $processes; $i++)
		$crew->tell($i, $i % $groups . " $version $how $ms");
	$begins = $ends = [];
	$computed = 0;
	for ($i = 0; $i < $processes; $i++) {
		$words = explode(' ', $crew->hear($i));
		if (count($words) !== 3)
			exit(1);
		$computed += (int)$words[2];
		if ($i >= $first)
			[$begins[], $ends[]] = array_map('intval', $words);
	}
	$begin = min($begins);
	return [max($ends) - $begin, $computed, ...array_map(fn($end) => $end - $begin, $ends)];
}

/* ---- questions */

function answer(array $words): array
{
	if ($words[0] === 'stampede')
		return stampede((int)$words[1], (int)$words[2], $words[3], (int)$words[4], (int)$words[5]);
	if ($words[0] === 'two')
		return one_and_two((int)$words[1]);
	[$step, $which] = explode('_', $words[0]);
	return measure($step, $which, (int)$words[1]);
}

echo "ready\n";
while (($line = fgets(STDIN)) !== false)
	echo implode(' ', answer(explode(' ', trim($line)))), "\n";
Crew::end_all();
