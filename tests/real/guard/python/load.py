"""kafka-python under load: sends at a fixed rate (or reads, with task=read) until told to stop, and keeps a journal of what it was told. Arguments are key=value."""

import os
import sys
import threading
import time

from kafka import KafkaConsumer, KafkaProducer

# A client that fell behind goes on from now: a burst would be another load than the one asked for.
BEHIND_MAX = 0.5
SETTLE_SECONDS = 60
# A poll whose time ends while 3.0.12 waits for its SyncGroup loses the assignment for good: longer than a member takes to join.
POLL_MS = 5000


class Journal:
    def __init__(self, path):
        self.file = open(path, "w", encoding="utf-8", buffering=1)
        self.lock = threading.Lock()

    def note(self, kind, *fields):
        with self.lock:
            self.file.write(" ".join([kind, str(int(time.time() * 1000)), *map(str, fields)]).replace("\n", " ") + "\n")


def named(error):
    """What the library itself would not try again is marked."""
    return f"{type(error).__name__} {error}" + ("" if getattr(error, "retriable", False) else " (final)")


def send(producer, journal, args, partition, number):
    begun = time.monotonic()

    def waited():
        return int((time.monotonic() - begun) * 1000)

    try:
        future = producer.send(args["topic"], value=f"{args['row']}:{partition}:{number}".encode(), partition=partition)
    except Exception as error:
        journal.note("e", partition, number, waited(), named(error))
        return
    future.add_callback(lambda metadata: journal.note("a", partition, number, waited(), metadata.offset))
    future.add_errback(lambda error: journal.note("e", partition, number, waited(), named(error)))


def main():
    args = dict(argument.split("=", 1) for argument in sys.argv[1:])
    journal = Journal(args["journal"])
    settings = {"bootstrap_servers": args["bootstrap"].split(","), "client_id": args["row"]}
    if "user" in args:
        settings |= {"security_protocol": "SASL_PLAINTEXT", "sasl_mechanism": args["mechanism"]}
        settings |= {"sasl_plain_username": args["user"], "sasl_plain_password": args["password"]}
    if args.get("task") == "read":
        read(journal, args, settings)
    else:
        produce(journal, args, settings)


def read(journal, args, settings):
    consumer = KafkaConsumer(args["topic"], group_id=args["row"], auto_offset_reset="earliest", **settings)
    while not os.path.exists(args["stop"]):
        try:
            for record in (record for records in consumer.poll(timeout_ms=POLL_MS).values() for record in records):
                journal.note("r", record.topic, record.partition, record.offset, record.value.decode())
        except Exception as error:
            journal.note("x", named(error))
    journal.note("d", 0)
    consumer.close()


def produce(journal, args, settings):
    settings["retries"] = 0
    settings["acks"] = args["acks"] if args["acks"] == "all" else int(args["acks"])
    if "enable_idempotence" in KafkaProducer.DEFAULT_CONFIG:
        settings["enable_idempotence"] = False
    producer = KafkaProducer(**settings)
    interval, partitions, number = 1 / float(args["rate"]), int(args["partitions"]), 0
    due = time.monotonic()
    while not os.path.exists(args["stop"]):
        send(producer, journal, args, number % partitions, number)
        number += 1
        due = max(due + interval, time.monotonic() - BEHIND_MAX)
        time.sleep(max(0, due - time.monotonic()))
    try:
        producer.flush(timeout=SETTLE_SECONDS)
        producer.close(timeout=5)
    except Exception as error:
        journal.note("x", named(error))
    journal.note("d", number)


main()
