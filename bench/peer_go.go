// peer_go.go - the Go peer of P1 and P2: singleflight, which coalesces calls within one process
//
// Group.Do of golang.org/x/sync takes a key, runs a function that does nothing, and gives the key up.  It is spared all
// that covey does for other processes: its callers are goroutines of one process, and end with it.  In P2 two goroutines,
// each with names of its own, share one Group.  The runtime has its default settings, and every core.
//
// Driven by peer_go.cc: each line of the standard input names what to time and for how many operations, and is answered by
// a line of nanoseconds: the mean of operations timed together, then p50, p99 and p99.9 of operations timed one by one;
// for "two", the time of one goroutine, and that of two from the first begin to the last end.
package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"os"
	"sort"
	"time"

	"golang.org/x/sync/singleflight"
)

var group singleflight.Group

func nothing() (interface{}, error) { return nil, nil }

func leadAndLeave(name string) {
	if _, err, shared := group.Do(name, nothing); err != nil || shared {
		panic("a name was refused")
	}
}

// The names of names.h: 24 bytes that begin alike.
func nameOf(number uint64) string {
	var name [24]byte
	copy(name[:], "thumbs/\x00")
	binary.LittleEndian.PutUint64(name[8:], number*0x9e3779b97f4a7c15)
	binary.LittleEndian.PutUint64(name[16:], (number^0x5bd1e995)*0xff51afd7ed558ccd)
	return string(name[:])
}

func namesFrom(first uint64, count int) []string {
	names := make([]string, count)
	for i := range names {
		names[i] = nameOf(first + uint64(i))
	}
	return names
}

// Names to go through in turn.  Fresh ones are made beforehand, so that no time goes into that.
var used uint64

func namesFor(what string, operations int) []string {
	switch what {
	case "same":
		return namesFrom(1<<42, 1)
	case "fresh":
		used += uint64(3 * operations)
		return namesFrom(1<<41+used, 3*operations)
	}
	return namesFrom(1<<42, 1024)
}

func timeTogether(names []string, at, operations int) int64 {
	begin := time.Now()
	for i := 0; i < operations; i++ {
		leadAndLeave(names[(at+i)%len(names)])
	}
	return int64(time.Since(begin))
}

func timeEach(names []string, at, operations int) []int64 {
	times := make([]int64, operations)
	for i := range times {
		begin := time.Now()
		leadAndLeave(names[(at+i)%len(names)])
		times[i] = int64(time.Since(begin))
	}
	sort.Slice(times, func(i, j int) bool { return times[i] < times[j] })
	return times
}

func one(what string, operations int) string {
	names := namesFor(what, operations)
	timeTogether(names, 0, operations)
	mean := timeTogether(names, operations, operations) / int64(operations)
	times := timeEach(names, 2*operations, operations)
	at := func(q float64) int64 { return times[int(float64(operations-1)*q)] }
	return fmt.Sprint(mean, " ", at(0.5), " ", at(0.99), " ", at(0.999))
}

// So many goroutines at once.
func timeTogetherBy(goroutines, operations int) int64 {
	done := make(chan bool)
	lanes := [][]string{namesFrom(1<<42+1<<20, 1024), namesFrom(1<<42+2<<20, 1024)}
	begin := time.Now()
	for i := 0; i < goroutines; i++ {
		go func(names []string) {
			timeTogether(names, 0, operations)
			done <- true
		}(lanes[i])
	}
	for i := 0; i < goroutines; i++ {
		<-done
	}
	return int64(time.Since(begin))
}

func main() {
	fmt.Println("ready")
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		var what string
		var operations int
		if _, err := fmt.Sscan(lines.Text(), &what, &operations); err != nil {
			panic(err)
		}
		if what == "two" {
			timeTogetherBy(2, operations)
			fmt.Println(timeTogetherBy(1, operations), timeTogetherBy(2, operations))
		} else {
			fmt.Println(one(what, operations))
		}
	}
}
