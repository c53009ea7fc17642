// Prints what users do, from the first event on; started again it goes on where it was.
//
//	aigestion nats grant demo --types 'user.*' > credential.json
//	go run . credential.json position.txt
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"
)

func main() {
	var grant struct{ Url, Seed, Inbox_prefix, Stream, Consumer, Subject string }
	ctx, position := context.Background(), uint64(0)
	must(0, json.Unmarshal(must(os.ReadFile(os.Args[1])), &grant))
	remembered, _ := os.ReadFile(os.Args[2])
	fmt.Sscan(string(remembered), &position)
	key := must(nkeys.FromSeed([]byte(grant.Seed)))
	js := must(jetstream.New(must(nats.Connect(grant.Url, nats.Nkey(must(key.PublicKey()), key.Sign),
		nats.CustomInboxPrefix(grant.Inbox_prefix), nats.MaxReconnects(-1), nats.ReconnectWait(200*time.Millisecond)))))
	for ; ; time.Sleep(200 * time.Millisecond) { // whenever in doubt, ask again for what comes behind our position
		js.DeleteConsumer(ctx, grant.Stream, grant.Consumer)
		consumer, err := js.CreateConsumer(ctx, grant.Stream, jetstream.ConsumerConfig{
			Name: grant.Consumer, FilterSubject: grant.Subject, AckPolicy: jetstream.AckNonePolicy, MemoryStorage: true,
			DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: position + 1, // the sequence is the log's position
		})
		for count, heard := uint64(0), err == nil; heard; {
			heard = false
			batch, err := consumer.Fetch(500, jetstream.FetchMaxWait(2*time.Second))
			if err != nil {
				break
			}
			for message := range batch.Messages() {
				about := must(message.Metadata())
				if count++; about.Sequence.Consumer != count {
					break // one was lost on the way
				}
				fmt.Println(about.Sequence.Stream, message.Subject(), string(message.Data()))
				position, heard = about.Sequence.Stream, true
				must(0, os.WriteFile(os.Args[2]+".draft", []byte(fmt.Sprint(position)), 0o600))
				must(0, os.Rename(os.Args[2]+".draft", os.Args[2]))
			}
		}
	}
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}
