------------------------------ MODULE Protocol ------------------------------
(* How an event gets from the log into a view, and what may go wrong on the way.

   An event is named by the position it was recorded at. A stream's sequence, a reader's tip, a view's
   checkpoint are numbers that are compared with positions; whether they may be is what is checked.
   Each switch is a safety rule of the code; README.md says where that is. *)
EXTENDS Integers, Sequences, FiniteSets

CONSTANTS
    Relays,            \* processes with a relay; any of them may believe that it leads
    PositionsMax,      \* so many events are recorded
    FaultsMax,         \* so many things go wrong
    BatchMax,          \* events in one publish, and in one write to the view
    RecentMax,         \* events a subscription keeps in memory
    HeadLock,          \* append.sql: a position is given and committed under one lock
    ExpectedSequence,  \* jetstream.py: a batch is bound to the sequence before it
    GapCheck,          \* subscription.py, runner.py: a position that does not follow is not taken
    Watermark,         \* subscription.py: the head of the log is asked when the broker is quiet
    OwnCheckpoint      \* readstores: the checkpoint is in the view, and written with the effect

ASSUME {PositionsMax, FaultsMax, BatchMax, RecentMax} \subseteq Nat

VARIABLES
    log,         \* the positions that are committed
    given,       \* the positions that were handed out (with HeadLock: the same)
    stream,      \* the broker's stream: its first sequence (0: there is no stream), and the events
    seat,        \* who holds the lock of the relays, or Nobody; a former holder may not know
    relay,       \* of each relay: what it is doing, and the last sequence as it knows it
    wire,        \* batches on their way to the broker; also those that nobody waits for any more
    tip,         \* the subscription: the position its memory ends at; None before it has looked
    recent,      \* the subscription: adjacent <<sequence, event>>, the last one at tip
    position,    \* the runner: what it has written, as it knows it; None before it has looked
    view,        \* the events whose effects are in the view, in the order of writing
    checkpoint,  \* the position the view says it reflects
    faults

vars == <<log, given, stream, seat, relay, wire, tip, recent, position, view, checkpoint, faults>>
ofLog == <<log, given>>
ofRelays == <<seat, relay, wire>>
ofSubscription == <<tip, recent>>
ofView == <<position, view, checkpoint>>

None == -1
Nobody == "nobody"
NoStream == [first |-> 0, events |-> <<>>]

Max(set) == IF set = {} THEN 0 ELSE CHOOSE n \in set : \A m \in set : m <= n
Min(a, b) == IF a < b THEN a ELSE b
Head_ == Max(log)
\* log_order.py: reading ends before a position that is missing.
Readable == Max({n \in 1 .. Head_ : 1 .. n \subseteq log})
Last(s) == s.first + Len(s.events) - 1
Exists == stream.first > 0

-----------------------------------------------------------------------------
(* The log: ADR 1. *)

Record ==
    /\ HeadLock
    /\ Head_ < PositionsMax
    /\ log' = log \union {Head_ + 1}
    /\ given' = log'
    /\ UNCHANGED <<stream, ofRelays, ofSubscription, ofView, faults>>

\* What a sequence does: numbers are handed out before the commit.
TakeNumber ==
    /\ ~HeadLock
    /\ Max(given) < PositionsMax
    /\ given' = given \union {Max(given) + 1}
    /\ UNCHANGED <<log, stream, ofRelays, ofSubscription, ofView, faults>>

CommitNumber ==
    /\ ~HeadLock
    /\ \E p \in given \ log : log' = log \union {p}
    /\ UNCHANGED <<given, stream, ofRelays, ofSubscription, ofView, faults>>

-----------------------------------------------------------------------------
(* The relay: relay.py. `asking` waits for the broker's answer to a batch that is on the wire. *)

Now(r, doing, last) == relay' = [relay EXCEPT ![r] = [doing |-> doing, last |-> last]]

Lead(r) ==
    /\ seat = Nobody /\ relay[r].doing = "standby"
    /\ seat' = r
    /\ Now(r, "finding", None)
    /\ UNCHANGED <<ofLog, stream, wire, ofSubscription, ofView, faults>>

\* The broker's own last sequence is the only cursor.
FindLast(r) ==
    /\ relay[r].doing = "finding"
    /\ IF Exists THEN Now(r, "publishing", Last(stream)) ELSE Now(r, "creating", None)
    /\ UNCHANGED <<ofLog, stream, seat, wire, ofSubscription, ofView, faults>>

\* Retention decides where a new stream begins. Another relay may have made one meanwhile.
Create(r) ==
    /\ relay[r].doing = "creating"
    /\ Now(r, "finding", None)
    /\ IF Exists THEN UNCHANGED stream
       ELSE \E first \in 1 .. Head_ + 1 : stream' = [first |-> first, events |-> <<>>]
    /\ UNCHANGED <<ofLog, seat, wire, ofSubscription, ofView, faults>>

Send(r) ==
    /\ relay[r].doing = "publishing" /\ relay[r].last < Readable
    /\ \E upto \in relay[r].last + 1 .. Min(relay[r].last + BatchMax, Readable) :
          wire' = wire \union {[by |-> r, from |-> relay[r].last + 1, upto |-> upto]}
    /\ Now(r, "asking", relay[r].last)
    /\ UNCHANGED <<ofLog, stream, seat, ofSubscription, ofView, faults>>

\* All of a batch, or nothing. The answer comes, or it is lost; or the relay has given up long ago.
Arrive(batch) ==
    LET r == batch.by
        accepted == Exists /\ (ExpectedSequence => Last(stream) = batch.from - 1)
        awaited == relay[r].doing = "asking" /\ relay[r].last = batch.from - 1
    IN  /\ wire' = wire \ {batch}
        /\ IF accepted
           THEN stream' = [stream EXCEPT
                           !.events = @ \o [i \in 1 .. batch.upto - batch.from + 1 |-> batch.from + i - 1]]
           ELSE UNCHANGED stream
        /\ IF ~awaited THEN UNCHANGED relay
           ELSE \/ Now(r, "finding", None)
                \/ accepted /\ Now(r, "publishing", batch.upto)
        /\ UNCHANGED <<ofLog, seat, ofSubscription, ofView, faults>>

TimeOut(r) ==
    /\ relay[r].doing = "asking"
    /\ Now(r, "finding", None)
    /\ UNCHANGED <<ofLog, stream, seat, wire, ofSubscription, ofView, faults>>

\* Quiet for a while: ask the broker again, it may have forgotten.
LookAgain(r) ==
    /\ relay[r].doing = "publishing" /\ relay[r].last >= Head_
    /\ Exists => Last(stream) # relay[r].last
    /\ Now(r, "finding", None)
    /\ UNCHANGED <<ofLog, stream, seat, wire, ofSubscription, ofView, faults>>

-----------------------------------------------------------------------------
(* The subscription: subscription.py. *)

Listen ==
    /\ tip = None
    /\ tip' = Head_
    /\ UNCHANGED <<ofLog, stream, ofRelays, recent, ofView, faults>>

\* Any message of the stream: what the way loses, doubles and reorders is all in that.
Bring(sequence) ==
    LET message == <<sequence, stream.events[sequence - stream.first + 1]>>
        kept == IF GapCheck /\ sequence > tip + 1 THEN <<>> ELSE recent
        longer == Append(kept, message)
    IN  /\ tip # None /\ sequence > tip
        /\ tip' = sequence
        /\ recent' = IF Len(longer) > RecentMax THEN Tail(longer) ELSE longer
        /\ UNCHANGED <<ofLog, stream, ofRelays, ofView, faults>>

CheckHead ==
    /\ Watermark
    /\ tip # None /\ Head_ > tip
    /\ tip' = Head_
    /\ recent' = <<>>
    /\ UNCHANGED <<ofLog, stream, ofRelays, ofView, faults>>

-----------------------------------------------------------------------------
(* The runner: runner.py, writer.py. *)

Open ==
    /\ position = None
    /\ position' = checkpoint
    /\ UNCHANGED <<ofLog, stream, ofRelays, ofSubscription, view, checkpoint, faults>>

\* As `Subscription.read`: from memory if it reaches back so far, else from the log.
Next_ ==
    LET start == position + 1 - (tip + 1 - Len(recent)) + 1
        longest == IF start >= 1 THEN SubSeq(recent, start, Len(recent))
                   ELSE [i \in 1 .. Readable - position |-> <<position + i, position + i>>]
    IN  SubSeq(longest, 1, Min(BatchMax, Len(longest)))

Follows(events) == \A i \in 1 .. Len(events) : events[i][1] = position + i

Write ==
    /\ position # None /\ tip # None /\ position < tip
    /\ LET events == Next_ IN
          /\ Len(events) > 0
          /\ IF GapCheck /\ ~Follows(events)
             THEN position' = None /\ UNCHANGED <<view, checkpoint>>
             ELSE /\ view' = view \o [i \in 1 .. Len(events) |-> events[i][2]]
                  /\ position' = events[Len(events)][1]
                  /\ IF OwnCheckpoint THEN checkpoint' = position' ELSE UNCHANGED checkpoint
    /\ UNCHANGED <<ofLog, stream, ofRelays, ofSubscription, faults>>

\* Only if the checkpoint is kept somewhere else: then it is written after the effect.
WriteCheckpoint ==
    /\ ~OwnCheckpoint
    /\ position # None /\ checkpoint < position
    /\ checkpoint' = position
    /\ UNCHANGED <<ofLog, stream, ofRelays, ofSubscription, position, view, faults>>

-----------------------------------------------------------------------------
(* What goes wrong. *)

Fault == faults < FaultsMax /\ faults' = faults + 1

\* The broker loses messages at the end that it had acknowledged.
Forget ==
    /\ Fault
    /\ \E n \in 0 .. Len(stream.events) - 1 : stream' = [stream EXCEPT !.events = SubSeq(@, 1, n)]
    /\ UNCHANGED <<ofLog, ofRelays, ofSubscription, ofView>>

DeleteStream ==
    /\ Fault
    /\ Exists
    /\ stream' = NoStream
    /\ UNCHANGED <<ofLog, ofRelays, ofSubscription, ofView>>

\* No fault of the broker: a message is older than the retention.
Expire ==
    /\ Fault
    /\ Len(stream.events) > 0
    /\ stream' = [first |-> stream.first + 1, events |-> Tail(stream.events)]
    /\ UNCHANGED <<ofLog, ofRelays, ofSubscription, ofView>>

\* The lock is gone (a pause, a lost connection), and the leader goes on.
LoseSeat ==
    /\ Fault
    /\ seat # Nobody
    /\ seat' = Nobody
    /\ UNCHANGED <<ofLog, stream, relay, wire, ofSubscription, ofView>>

CrashRelay(r) ==
    /\ Fault
    /\ relay[r].doing # "standby"
    /\ Now(r, "standby", None)
    /\ seat' = IF seat = r THEN Nobody ELSE seat
    /\ UNCHANGED <<ofLog, stream, wire, ofSubscription, ofView>>

CrashReader ==
    /\ Fault
    /\ tip # None \/ position # None
    /\ tip' = None /\ recent' = <<>> /\ position' = None
    /\ UNCHANGED <<ofLog, stream, ofRelays, view, checkpoint>>

\* The engine of the view comes back empty; the runner is told by its next write, and opens again.
WipeView ==
    /\ Fault
    /\ view # <<>>
    /\ view' = <<>>
    /\ checkpoint' = IF OwnCheckpoint THEN 0 ELSE checkpoint
    /\ position' = None
    /\ UNCHANGED <<ofLog, stream, ofRelays, ofSubscription>>

-----------------------------------------------------------------------------

Init ==
    /\ log = {} /\ given = {}
    /\ stream = NoStream
    /\ seat = Nobody
    /\ relay = [r \in Relays |-> [doing |-> "standby", last |-> None]]
    /\ wire = {}
    /\ tip = None /\ recent = <<>>
    /\ position = None /\ view = <<>> /\ checkpoint = 0
    /\ faults = 0

Reader == Listen \/ CheckHead \/ Open \/ Write \/ WriteCheckpoint

Next ==
    \/ Record \/ TakeNumber \/ CommitNumber
    \/ \E r \in Relays : \/ Lead(r) \/ FindLast(r) \/ Create(r) \/ Send(r)
                         \/ TimeOut(r) \/ LookAgain(r) \/ CrashRelay(r)
    \/ \E batch \in wire : Arrive(batch)
    \/ \E sequence \in stream.first .. Last(stream) : Bring(sequence)
    \/ Reader
    \/ Forget \/ DeleteStream \/ Expire \/ LoseSeat \/ CrashReader \/ WipeView

\* Nothing is asked of the relay or the broker: they may be away for ever.
Spec == Init /\ [][Next]_vars /\ WF_vars(Listen) /\ WF_vars(CheckHead) /\ WF_vars(Open) /\ WF_vars(Write)

-----------------------------------------------------------------------------
(* The relays take no notice of the reader: so two of them are checked without one. *)
NobodyReads == tip = None /\ position = None

-----------------------------------------------------------------------------
(* What holds. *)

\* Law 2: positions 1, 2, 3 in the order of the commits.
DensePositions == log = 1 .. Cardinality(log)

\* Law 3: what the broker holds at a sequence is the event at that position.
SequenceIsPosition ==
    \A i \in 1 .. Len(stream.events) : stream.events[i] = stream.first + i - 1

\* The broker holds a piece of the log, and nothing that the log has not.
BrokerWithinLog ==
    Exists => Last(stream) <= Head_ /\ \A i \in 1 .. Len(stream.events) : stream.events[i] \in log

NoViewAheadOfLog == checkpoint <= Head_ /\ \A i \in 1 .. Len(view) : view[i] \in log

\* Law 4: nothing is left out, and nothing is applied twice.
NothingSkipped == \A p \in 1 .. checkpoint : \E i \in 1 .. Len(view) : view[i] = p
NothingTwice == \A i, j \in 1 .. Len(view) : view[i] = view[j] => i = j

\* Law 4: a view is the fold of the log up to its checkpoint.
ViewEqualsFold == view = [p \in 1 .. checkpoint |-> p]

\* Whatever the broker does: what is recorded will be in the view.
ViewCatchesUp == \A p \in 1 .. PositionsMax : (p \in log) ~> (checkpoint >= p)
=============================================================================
