/*
 * group.pml - one group, its leader, its waiters and their deaths, for every order of their steps
 *
 * A step is one access to shared memory or one call of the kernel, as in the sources; in between anybody may be killed.
 * There are no clocks in here, so no backstop: a waiter that nobody wakes is a state in which nothing goes on any more,
 * and Spin calls that an invalid end state.  That is laws 2 and 9; with the assertions about who leads, law 3.
 *
 *      in here             in the sources
 *      own                 the ownership word of the group's node (core/word.h)
 *      seat[], rung[]      core/seat.h; the node's bell (core/arena.h): has it changed since this one read it?
 *      life[]              the two life words that waiters sleep on; 1: alive (shm/participant.c)
 *      outcome             the outcome word (shm/publish.c)
 *      Actor, "register"   covey_find_or_register() (shm/group.c), of a name that has its node already
 *      "lead"              covey_unregister_notify(), covey_unregister(), covey_end() (shm/publish.c)
 *      finish()            covey_finish(); anybody may be in it, any number at once
 *      notify()            notify_picked(): an answer while still leading
 *      "await"             covey_await(): arm(), look(), park(), pass_on_death(), take_over(), pass_on() (shm/await.c)
 *      relay()             covey_life_relay()
 *      pass_death()        the same, and covey_life_pass(); pay_death() of the successor is its keeper's, and left out
 *      restamp()           cv_seat_restamp()
 *      forward()           covey_forward_work() and take_back() (shm/group.c)
 *      Target              a participant in covey_accept_work(); how it sleeps there is left out, it just sees its turn
 *      Keeper              of the one who forwards: keeper_sleep(), watches_visit() (shm/participant.c)
 *      Reaper              covey_slot_free() (shm/recovery.c), by a keeper that nobody kills
 *      dies()              the kernel, when it walks a robust list: a word is changed, one sleeper on it is woken, then
 *                          the next word.  Which sleeper is anybody's guess; the real one takes the longest, so the
 *                          model covers more.  Whoever is killed stays in its queues until the kernel ends it.
 *      sleeps()            futex_waitv: compares all words and sleeps, in one step; tells of the last word that was rung
 *
 * Left out: how a sleeper says that it sleeps (notify() rings who is asleep), the table (the node stays), requests that
 * differ, standing off before a post, blocks and their pins, cycles, more than one group, and the memory model (all these
 * accesses are sequentially consistent in the sources too).
 *
 * N actors; up to KILLS of them are killed.  What else may happen: DEPOSE (a newcomer takes over from a leader that lives),
 * NOTIFY, GIVE_UP, EXPIRE (deadlines), FORWARD, REAPER.  FORWARD_ONCE: the first leader does nothing else, and others do
 * not.  Who may be killed: all, or KILL_LEADERS, or KILL_TARGET.  ANY_TURN: two waiters may sleep on the same life word,
 * as other waits came and went; then nobody may be killed between its wake-up and its relay, so it is for one death, or
 * for those of leaders.  Each BUG_ is a mistake that the model has to find, each KERNEL_ a kernel on which covey would
 * fail; tests/models/check runs them all.
 */
#ifndef N
#define N 3
#endif
#ifndef KILLS
#define KILLS 1
#endif
#ifdef FORWARD
#define TARGET (N + 1) /* its slot and seat */
#define SLOTS (N + 1)
#else
#define SLOTS N
#endif
#define SLEEPERS (2 * SLOTS + 1) /* actors, then their keepers */
#define KEEPER(i) (SLOTS + (i))

/* The ownership word: generation, owner, W, state. */
#define IDLE 0
#define LEADING 1
#define HANDED 2
#define PUBLISHED 3
#define W 4
#define WORD(state, owner, gen) ((gen) << 6 | (owner) << 3 | (state))
#define STATE(o) ((o)&3)
#define WAITERS(o) ((o)&W)
#define OWNER(o) (((o) >> 3) & 7)
#define GEN(o) ((o) >> 6)
#define LED(o) (STATE(o) == LEADING || STATE(o) == HANDED)

/* The seat's word: sequence, whose result, state. */
#define QUIET 0
#define WAITING 1
#define DONE 2
#define GAVE_UP 3
#define SEAT(state, seq, value) ((seq) << 6 | (value) << 2 | (state))
#define ANSWER(s) ((s)&3)
#define VALUE(s) (((s) >> 2) & 15)
#define SEQ(s) ((s) >> 6)

#define ALIVE(slot) (life[2 * (slot)] && life[2 * (slot) + 1])

short own = WORD(LEADING, 1, 1);
short seat[SLOTS + 1];
byte outcome; /* generation << 1 | has a result */
bit rung[SLOTS + 1]; /* the bell, as each sees it: has it been rung since this one read it? */
bit ticket;
bit life[2 * (SLOTS + 1)]; /* slot 0 is nobody's: dead */

/* The kernel's. */
bit asleep[SLEEPERS];
byte sleeps_on[SLEEPERS]; /* the life word */
bit woken[SLEEPERS], woken_by_life[SLEEPERS];
bit killed[SLOTS + 1];

/* For the assertions only. */
byte newest = 1; /* generation that anybody led */
byte ended;     /* newest generation whose execution has ended */
byte complete = 1; /* newest generation whose change of leader is complete */
bit present[SLOTS + 1];
byte begun;

#ifdef REAPER
bit gone[SLOTS + 1];
#endif
#ifdef FORWARD
byte watched[SLOTS + 1]; /* by the keeper of this slot */
#endif

/* ------------------------------------------------------------------------------------------------ the kernel */

hidden byte x; /* inside one step only */

inline wake_all_on_life(word)
{
	d_step {
		x = 0;
		do
		:: x < SLEEPERS ->
			if
			:: asleep[x] && sleeps_on[x] == (word) -> woken[x] = 1; woken_by_life[x] = 1
			:: else
			fi;
			x++
		:: else -> break
		od;
		x = 0
	}
}

inline wake_all_on_bell()
{
	d_step {
		x = 1;
		do
		:: x <= SLOTS -> woken[x] = woken[x] || asleep[x]; x++
		:: else -> break
		od;
		x = 0
	}
}

#define SLEEPS_ON(s, word) (asleep[s] && !woken_by_life[s] && sleeps_on[s] == (word))
#define WAKE(s, word) :: SLEEPS_ON(s, word) -> woken[s] = 1; woken_by_life[s] = 1

/* One, whichever.  Who was rung by something else and has not run yet is still in this queue. */
inline wake_one_on_life(word)
{
#ifndef KERNEL_NO_WAKE
	atomic {
		if
		WAKE(1, word)
		WAKE(2, word)
		WAKE(3, word)
#if SLOTS > 3
		WAKE(4, word)
#endif
#if SLOTS > 4
		WAKE(5, word)
#endif
#ifdef FORWARD
		WAKE(KEEPER(1), word)
		WAKE(KEEPER(2), word)
		WAKE(KEEPER(3), word)
#endif
		:: else
		fi
	}
#else
	skip
#endif
}

inline dies(i)
{
	d_step { asleep[i] = 0; woken[i] = 0; woken_by_life[i] = 0; sleeps_on[i] = 0 };
#ifdef FORWARD
	d_step { asleep[KEEPER(i)] = 0; woken[KEEPER(i)] = 0; woken_by_life[KEEPER(i)] = 0; sleeps_on[KEEPER(i)] = 0 };
#endif
	life[2 * i] = 0;
	wake_one_on_life(2 * i);
	life[2 * i + 1] = 0;
	wake_one_on_life(2 * i + 1)
#ifdef REAPER
	;
	gone[i] = 1 /* the slot's lock is free */
#endif
}

#ifdef EXPIRE
#define EXPIRES :: d_step { asleep[i] && !woken[i] -> asleep[i] = 0; sleeps_on[i] = 0; expired = 1; early = 0 }
#else
#define EXPIRES
#endif

/* On our own word, the bell, and one word of a life. */
inline sleeps(i, word, on)
{
	early = 0;
	atomic {
		if
		:: seat[i] != (word) || rung[i] || !life[on]
		:: else -> asleep[i] = 1; sleeps_on[i] = on
		fi
	};
	if
	:: d_step { !asleep[i] -> skip }
	:: d_step { woken[i] ->
#ifdef KERNEL_FIRST_WORD /* tells of the first word that was rung, not of the last */
		early = 1;
#else
		early = !woken_by_life[i];
#endif
		asleep[i] = 0; woken[i] = 0; woken_by_life[i] = 0; sleeps_on[i] = 0 }
	EXPIRES
	fi
}

/* ------------------------------------------------------------------------------------------------ small steps */

inline relay(slot)
{
#ifndef NO_RELAY
	wake_all_on_life(2 * (slot));
	wake_all_on_life(2 * (slot) + 1)
#else
	skip
#endif
}

/* pass_death(): wake one on each word, and owe the others the relay until a look has ended. */
inline pass_death(slot)
{
#ifndef NO_RELAY
	if
	:: owed != (slot) ->
		owed = (slot);
		wake_one_on_life(2 * (slot));
		wake_one_on_life(2 * (slot) + 1)
	:: else
	fi
#else
	skip
#endif
}

inline pay_death()
{
	if
	:: owed != 0 ->
		relay(owed);
		owed = 0
	:: else
	fi
}

inline ring()
{
	d_step {
		x = 1;
		do
		:: x <= SLOTS -> rung[x] = 1; x++
		:: else -> break
		od;
		x = 0
	};
	wake_all_on_bell()
}

inline now_leads(i)
{
	g = GEN(own);
	assert(g > newest); /* laws 1 and 3: each generation has one leader */
	newest = g
}

inline restamp(k)
{
#ifndef BUG_NO_RESTAMP
	k = 1;
	do
	:: d_step { k <= SLOTS && ANSWER(seat[k]) == WAITING -> seat[k] = SEAT(WAITING, SEQ(seat[k]) + 1, 0); k++ }
	:: d_step { k <= SLOTS && ANSWER(seat[k]) != WAITING -> k++ }
	:: k > SLOTS -> break
	od;
#endif
	atomic { k = 0; if :: g > complete -> complete = g :: else fi }
}

/* Deliver what the word o (PUBLISHED) stands for; uses k, s, stop. */
inline finish(o)
{
	if
	:: own == (o) ->
		k = 1;
		stop = 0;
		do
		:: d_step { !stop && k <= SLOTS && ANSWER(seat[k]) != WAITING -> k++ }
		:: d_step { !stop && k <= SLOTS && ANSWER(seat[k]) == WAITING -> s = seat[k] };
			d_step { stop = (own != (o)) };
			d_step {
				if
				:: stop || seat[k] != s
				:: else ->
					if
					:: outcome == (GEN(o) << 1 | 1) -> seat[k] = SEAT(DONE, SEQ(s), GEN(o)); assert(ended >= GEN(o))
					:: else -> seat[k] = SEAT(GAVE_UP, SEQ(s), 0)
					fi
				fi;
				s = 0
			}
		:: else -> break
		od;
		s = 0;
		k = 0;
		if
		:: stop -> stop = 0
		:: else ->
#ifndef BUG_RING_EARLY
			ring();
#endif
			d_step { if :: own == (o) -> own = WORD(IDLE, 0, GEN(o)) :: else fi }
		fi
	:: else
	fi
}

/* The swap of the ownership word from one value to another. */
inline swap(from, to)
{
	d_step {
		if
		:: own == (from) -> own = (to); ok = 1
		:: else -> ok = 0
		fi
	}
}

/* cv_pool_settle(): an orphan that nobody waits for any more becomes idle. */
inline settle(gen)
{
	k = 1;
	do
	:: k <= SLOTS && ANSWER(seat[k]) != WAITING -> k++
	:: else -> break
	od;
	if
	:: k > SLOTS ->
		d_step {
			if
			:: own == (WORD(LEADING, 0, gen) | W) -> own = WORD(IDLE, 0, gen); ended = gen; ok = 1
			:: else -> ok = 0
			fi
		};
		if
		:: ok -> ring()
		:: else
		fi
	:: else
	fi;
	k = 0
}

/* The swap that makes us lead, from a word that was read before. */
inline depose(i, from)
{
	d_step {
		if
#ifdef BUG_TAKE_OVER_BY_STORE
		:: true -> own = WORD(LEADING, i, GEN(from) + 1) | WAITERS(from); ok = 1; now_leads(i)
#else
		:: own == (from) -> own = WORD(LEADING, i, GEN(from) + 1) | WAITERS(from); ok = 1; now_leads(i)
		:: else -> ok = 0
#endif
		fi
	};
	if
	:: ok -> restamp(k)
	:: else
	fi
}

/* ------------------------------------------------------------------------------------------------ leading */

/* LEADING g -> PUBLISHED g, then the delivery; value: 1 with a result. */
inline end_before_waiters(i, value)
{
	do
	:: s = outcome;
		o = own;
		if
		:: (o & ~W) != WORD(LEADING, i, g) -> break
		:: else
		fi;
		d_step {
			if
			:: outcome == s -> outcome = g << 1 | value; ok = 1
			:: else -> ok = 0
			fi
		};
		if
		:: !ok
		:: else ->
			s = 0;
#ifdef BUG_RING_EARLY
			ring();
#endif
			d_step {
				if
				:: own == o ->
					own = WORD(PUBLISHED, i, g) | W;
					ok = 1;
					assert(g > ended);
					ended = g
				:: else -> ok = 0
				fi
			};
			if
			:: ok -> o = WORD(PUBLISHED, i, g) | W; finish(o)
			:: else
			fi;
			break
		fi
	od;
	s = 0
}

inline end(i, value)
{
	d_step {
		if
		:: own == WORD(LEADING, i, g) -> own = WORD(IDLE, 0, g); assert(g > ended); ended = g; ok = 0
		:: else -> ok = own == (WORD(LEADING, i, g) | W) /* else fenced */
		fi
	};
	if
	:: ok -> end_before_waiters(i, value)
	:: else
	fi
}

/* An answer to one waiter, while leading: its word, then whether we still lead, then the swap. */
inline notify(i)
{
	k = 1;
	do
	:: k <= SLOTS ->
		s = seat[k];
		if
		:: ANSWER(s) == WAITING && (own & ~W) == WORD(LEADING, i, g) ->
			d_step {
				if
				:: seat[k] == s ->
					seat[k] = SEAT(DONE, SEQ(s), g);
					ok = 1;
					assert(complete <= g)
				:: else -> ok = 0
				fi
			};
			if
			:: ok && asleep[k] -> woken[k] = 1
			:: else
			fi;
			break
		:: else -> k++
		fi
	:: else -> break
	od;
	s = 0;
	k = 0
}

#ifdef FORWARD
inline forward(i)
{
	do
	:: o = own;
		if
		:: (o & ~W) != WORD(LEADING, i, g) -> break
		:: else
		fi;
		swap(o, WORD(HANDED, TARGET, g + 1) | WAITERS(o));
		if
		:: !ok
		:: else ->
			o = WORD(HANDED, TARGET, g + 1) | WAITERS(o);
#ifndef BUG_NO_WATCH
			if
			:: WAITERS(o) -> watched[i] = TARGET
			:: else
			fi;
#endif
			if
			:: ALIVE(TARGET)
			:: else -> /* take_back() */
				d_step {
					if
					:: (own | W) == (o | W) -> own = WORD(LEADING, 0, GEN(o)) | WAITERS(own); ok = 1
					:: else -> ok = 0
					fi
				};
				if
				:: ok -> ring(); settle(GEN(o))
				:: else
				fi
			fi;
			break
		fi
	od;
	o = 0
}
#endif

/* ------------------------------------------------------------------------------------------------ actors */

/* Our wait is over: with an answer, if there is one. */
inline leave_or_take(i)
{
	d_step {
		if
		:: ANSWER(seat[i]) == WAITING -> seat[i] = SEAT(QUIET, SEQ(seat[i]) + 1, 0); ok = 1
		:: else -> ok = 0
		fi
	}
}

inline take(i)
{
	d_step {
		assert(ANSWER(seat[i]) == DONE || ANSWER(seat[i]) == GAVE_UP);
		assert(ANSWER(seat[i]) != DONE || VALUE(seat[i]) > floor); /* law 4: no result from before our time */
		assert(ANSWER(seat[i]) != GAVE_UP || ended > floor);
		seat[i] = SEAT(QUIET, SEQ(seat[i]), 0)
	}
}

inline arm(i)
{
	d_step {
		if
		:: LED(own) -> own = own | W; ok = 1
		:: else -> ok = 0
		fi
	}
}

/* Leave without an answer, unless one has come. */
inline leave(i)
{
	leave_or_take(i);
	if
	:: ok -> assert(ended > floor)
	:: else -> take(i)
	fi
}

proctype Actor(byte i)
{
	short o, s;   /* words as they were read */
	byte k, g;    /* a walk over the seats; the generation that we lead */
	byte on;      /* the life word that we sleep on */
	byte floor;   /* executions that had ended when we began to wait */
	byte owed;    /* whose sleepers are still to be woken */
	bit ok, stop, early, expired, turn;

	{
	/* They are alike, so the lower number may be the first to begin. */
	d_step { begun == i - 1 -> begun = i; present[i] = 1; floor = ended };
	if
	:: i == 1 -> g = 1; goto lead
	:: else
	fi;
register:
	atomic {
		o = own;
		g = 0;
		if
		:: STATE(o) == IDLE -> /* read and swapped: tried again until it succeeds, so one step */
			own = WORD(LEADING, i, GEN(o) + 1);
			now_leads(i);
			complete = g;
			goto lead
		:: STATE(o) == PUBLISHED -> goto help_and_register
		:: LED(o) && ALIVE(OWNER(o)) ->
#ifdef DEPOSE
			if
			:: goto take_over_by_hand
			:: goto await
			fi
#else
			goto await
#endif
		:: else -> skip
		fi
	};
	relay(OWNER(o));
take_over_by_hand:
	depose(i, o);
	if
	:: ok -> ring(); goto lead
	:: else -> goto register
	fi;
help_and_register:
	finish(o);
	goto register;

await:
	atomic {
		o = 0;
		if
#ifdef ANY_TURN /* other waits came and went: any two may have drawn the same */
		:: turn = 0
		:: turn = 1
#else
		:: turn = ticket; ticket = !ticket
#endif
		fi;
#ifdef BUG_ONE_WORD
		turn = 0;
#endif
		seat[i] = SEAT(WAITING, SEQ(seat[i]) + 1, 0)
	};
rearm:
	arm(i);
	if
	:: !ok -> leave(i); goto pay
	:: else
	fi;
#ifdef BUG_NO_SECOND_LOOK
	o = own;
	atomic { s = seat[i]; rung[i] = 0; goto sleep };
#endif
look:
	atomic {
		d_step { o = 0; on = 0; ok = 0; early = 0; s = seat[i] };
		if
		:: ANSWER(s) != WAITING -> take(i); goto pay
		:: else
		fi
	};
#ifndef BUG_BELL_LATE
	rung[i] = 0;
#endif
	atomic {
		o = own;
		if
		:: STATE(o) == PUBLISHED -> goto help
		:: STATE(o) == IDLE -> goto unled
		:: LED(o) && !WAITERS(o) -> goto rearm
		:: else
		fi
	};
	ok = ALIVE(OWNER(o));
	atomic {
		if
		:: own != o -> goto look
		:: own == o && !ok -> goto died
		:: else
		fi
	};
#ifdef BUG_BELL_LATE
	rung[i] = 0;
#endif
	goto sleep;
unled:
	leave(i);
	goto pay;
help:
#ifdef BUG_NO_HELP
	own != o;
#else
	finish(o);
#endif
	goto look;
died:
	pass_death(OWNER(o));
	depose(i, o);
	if
	:: !ok -> goto look
	:: else
	fi;
	leave_or_take(i);
	if
	:: ok -> owed = 0; goto lead /* its keeper is to relay: left out, as it may come late */
	:: else
	fi;
	/* pass_on(): an answer came as well */
	d_step {
		if
		:: own == (WORD(LEADING, i, g) | W) -> own = WORD(LEADING, 0, g) | W; ok = 1
		:: own == WORD(LEADING, i, g) -> own = WORD(IDLE, 0, g); ended = g; ok = 1
		:: else -> ok = 0
		fi
	};
	if
	:: ok -> ring(); settle(g)
	:: else
	fi;
	take(i);
pay:
	pay_death();
	goto over;

sleep:
	pay_death();
	on = 2 * OWNER(o) + turn;
	o = 0;
	sleeps(i, s, on);
	s = 0;
#ifndef BUG_NO_PASS_ON
	if
	:: early || ALIVE(on / 2)
	:: else -> /* pass_on_death() */
		pass_death(on / 2);
		o = own;
		if
#ifndef BUG_NO_HELP
		:: STATE(o) == PUBLISHED -> finish(o)
#endif
		:: else
		fi
	fi;
#endif
	if
	:: expired -> leave_or_take(i); if :: ok :: else -> take(i) fi; goto pay
	:: else -> goto look
	fi;

lead:
	atomic { o = 0; on = 0; s = 0; };
#ifdef NOTIFY
	if
	:: true
	:: notify(i)
	fi;
#endif
	if
#ifdef FORWARD_ONCE
	:: i != 1 -> end(i, 1)
#else
	:: end(i, 1)
#endif
#ifdef GIVE_UP
	:: end(i, 0)
#endif
#ifdef FORWARD_ONCE
	:: i == 1 -> forward(i);
		goto end_stays
#elif defined(FORWARD)
	:: forward(i);
		goto end_stays
#endif
	fi;
	goto over;
end_stays:
	false; /* it lives on, and its keeper watches */
over:
	atomic { present[i] = 0; ok = 0; g = 0; o = 0; on = 0; s = 0; floor = 0; k = 0; early = 0; turn = 0; owed = 0 }
	} unless {
		killed[i] ->
			d_step { o = 0; on = 0; s = 0; g = 0; k = 0; floor = 0; ok = 0; stop = 0; early = 0; turn = 0; owed = 0 };
			dies(i)
	}
}

#ifdef FORWARD
proctype Target(byte i)
{
	short o, s;
	byte k, g;
	bit ok, stop;

	{
	skip;
end_turn:
	atomic { STATE(own) == HANDED && OWNER(own) == i -> o = own };
	depose(i, o);
	if
	:: !ok -> goto end_turn
	:: else
	fi;
	o = 0;
	end(i, 1);
	g = 0;
	goto end_turn
	} unless { killed[i] -> d_step { o = 0; s = 0; k = 0; g = 0; ok = 0; stop = 0 }; dies(i) }
}

proctype Keeper(byte i)
{
	{
	skip;
end_idle:
	watched[i] != 0;
	atomic {
		if
		:: ALIVE(watched[i]) -> asleep[KEEPER(i)] = 1; sleeps_on[KEEPER(i)] = 2 * watched[i]
		:: else
		fi
	};
end_asleep:
	d_step { !asleep[KEEPER(i)] || woken[KEEPER(i)] ->
		asleep[KEEPER(i)] = 0; woken[KEEPER(i)] = 0; woken_by_life[KEEPER(i)] = 0; sleeps_on[KEEPER(i)] = 0 };
	if
	:: !ALIVE(watched[i]) -> relay(watched[i]); ring(); watched[i] = 0
	:: else
	fi;
	goto end_idle
	} unless { killed[i] }
}
#endif

#ifdef REAPER
proctype Reaper()
{
	short o, s;
	byte k, j;
	bit ok, stop;

end_none:
	atomic {
		if
		:: gone[1] -> j = 1
		:: gone[2] -> j = 2
#if SLOTS > 2
		:: gone[3] -> j = 3
#endif
#if SLOTS > 3
		:: gone[4] -> j = 4
#endif
#if SLOTS > 4
		:: gone[5] -> j = 5
#endif
		fi;
		gone[j] = 0
	};
	relay(j);
	do
	:: o = own;
		if
		:: OWNER(o) == j && STATE(o) == PUBLISHED -> finish(o)
		:: OWNER(o) == j && LED(o) && !WAITERS(o) ->
			d_step { if :: own == o -> own = WORD(IDLE, 0, GEN(o)); ended = GEN(o) :: else fi }
		:: OWNER(o) == j && LED(o) && WAITERS(o) ->
			swap(o, WORD(LEADING, 0, GEN(o)) | W);
			if
			:: ok ->
				ring();
				settle(GEN(o))
			:: else
			fi
		:: OWNER(o) != j || STATE(o) == IDLE -> break
		fi
	od;
	seat[j] = SEAT(QUIET, SEQ(seat[j]) + 1, 0);
	relay(j);
	d_step { o = 0; j = 0; ok = 0 };
	goto end_none
}
#endif

#ifdef KILL_LEADERS
#define MAY_DIE(i) (OWNER(own) == (i) && STATE(own) != IDLE)
#elif defined(KILL_TARGET)
#define MAY_DIE(i) ((i) == TARGET)
#else
#define MAY_DIE(i) 1
#endif

active proctype Killer()
{
	byte kills;
	byte i = 1;

end_enough:
	do
	:: atomic { kills < KILLS ->
			i = 1;
			do
			:: i < SLOTS -> i++
			:: break
			od;
			if
			:: present[i] && !killed[i] && MAY_DIE(i) -> killed[i] = 1; kills++
			:: else -> skip
			fi;
			i = 1
		}
	od
}

init
{
	byte j = 1;
	atomic {
		do
		:: j <= SLOTS -> life[2 * j] = 1; life[2 * j + 1] = 1; j++
		:: else -> break
		od;
		j = 1;
		do
		:: j <= N ->
			run Actor(j);
#ifdef FORWARD
			run Keeper(j);
#endif
			j++
		:: else -> break
		od;
#ifdef FORWARD
		present[TARGET] = 1;
		run Target(TARGET);
#endif
#ifdef REAPER
		run Reaper();
#endif
		j = 0
	}
}
