%% peer_erlang.erl - the Erlang peer of P5: a persistent worker, as the module hb_persistent has it
%%
%% A worker is a process that has joined the pg group that it serves.  Who asks looks the group up in pg, sends the
%% worker {resolve, Self, Group, Request, Options} and waits for {resolved, Worker, Group, Request, Result}; both receive
%% selectively.  The computation is the identity.  It is spared what covey has to do: all of it lives in one operating
%% system process, and who asks does not monitor the worker, so it would not learn of its death.
%%
%% Driven by peer_erlang.cc: each line of the standard input names what to time and for how many trips, and is answered
%% by a line of nanoseconds: the mean of trips timed together, then p50, p99 and p99.9 of trips timed one by one.
-module(peer_erlang).
-export([main/0]).

-define(GROUPS, 10000).

main() ->
    {ok, _} = pg:start_link(),
    _ = worker(one),
    io:put_chars("ready\n"),
    serve().

serve() ->
    case io:get_line("") of
        eof ->
            halt();
        Line ->
            [What, Trips] = string:lexemes(Line, " \n"),
            answer(measure(list_to_existing_atom(What), list_to_integer(Trips))),
            serve()
    end.

answer(Numbers) ->
    io:put_chars([lists:join(" ", [integer_to_list(N) || N <- Numbers]), "\n"]).

%% What is timed runs in a process of its own, with a heap of its own.
measure(What, Trips) ->
    Self = self(),
    prepare(What),
    spawn_link(fun() -> Self ! {measured, time(step(What), Trips)} end),
    receive {measured, Numbers} -> Numbers end.

prepare(groups) -> [worker({group, N}) || pg:get_members({group, 1}) =:= [], N <- lists:seq(1, ?GROUPS)];
prepare(_) -> [].

%% A step goes from one number to the next, so that it can be pseudo-random.
step(one) ->
    fun(N) -> N = ask(one, <<N:64, 0:64>>, N), N + 1 end;
step(groups) ->
    fun(N) ->
        ask({group, N rem ?GROUPS + 1}, <<N:64, 0:64>>, N),
        (N * 1103515245 + 12345) band 16#7fffffff
    end;
step(register) ->
    fun(N) -> ok = pg:join({led, 1}, self()), ok = pg:leave({led, 1}, self()), N + 1 end.

time(Step, Trips) ->
    First = repeat(Step, Trips div 10 + 1, 1),
    Begin = erlang:monotonic_time(nanosecond),
    Next = repeat(Step, Trips, First),
    Mean = (erlang:monotonic_time(nanosecond) - Begin) div Trips,
    Times = list_to_tuple(lists:sort(each(Step, Trips, Next, erlang:monotonic_time(nanosecond), []))),
    [Mean | [element(1 + trunc((Trips - 1) * Q), Times) || Q <- [0.5, 0.99, 0.999]]].

repeat(_, 0, N) -> N;
repeat(Step, Trips, N) -> repeat(Step, Trips - 1, Step(N)).

each(_, 0, _, _, Times) -> Times;
each(Step, Trips, N, Last, Times) ->
    Next = Step(N),
    Time = erlang:monotonic_time(nanosecond),
    each(Step, Trips - 1, Next, Time, [Time - Last | Times]).

%% ---- the two sides

ask(Group, Request, N) ->
    [Worker | _] = pg:get_members(Group),
    Worker ! {resolve, self(), Group, Request, #{}},
    receive
        {resolved, Worker, Group, Request, Result} ->
            <<N:64, 0:64>> = Result,
            N
    end.

worker(Group) ->
    Self = self(),
    Worker = spawn_link(fun() ->
        ok = pg:join(Group, self()),
        Self ! {works, self()},
        work(Group)
    end),
    receive {works, Worker} -> Worker end.

work(Group) ->
    receive
        {resolve, Listener, Group, Request, _Options} ->
            Listener ! {resolved, self(), Group, Request, Request},
            work(Group)
    end.
