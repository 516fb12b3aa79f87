"""kafka-python, one command a run: COMMAND key=value…; results are rows that begin with "| ", and then a line "ok"."""

import sys
import time

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient, NewTopic


def unhex(text):
    return None if text == "-" else bytes.fromhex(text)


def hexed(data):
    return "-" if data is None else data.hex()


def row(*fields):
    print("| " + "\t".join(str(field) for field in fields))


def records(path):
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            partition, timestamp, key, value, headers = line.rstrip("\n").split("\t")
            pairs = [header.split("=", 1) for header in headers.split(",") if header]
            yield int(partition), int(timestamp), unhex(key), unhex(value), [(name, unhex(data)) for name, data in pairs]


def common(args):
    settings = {"bootstrap_servers": args["bootstrap"].split(",")}
    if "client_id" in args:
        settings["client_id"] = args["client_id"]
    if "api_version" in args:
        settings["api_version"] = tuple(int(part) for part in args["api_version"].split("."))
    if "mechanism" in args:
        settings.update(security_protocol="SASL_PLAINTEXT", sasl_mechanism=args["mechanism"])
        settings.update(sasl_plain_username=args["user"], sasl_plain_password=args["password"])
    return settings


def produce(args):
    acks = args.get("acks", "all")
    settings = common(args)
    if args.get("compression", "none") != "none":
        settings["compression_type"] = args["compression"]
    if "enable_idempotence" in args:
        settings["enable_idempotence"] = True
    producer = KafkaProducer(acks=acks if acks == "all" else int(acks), retries=0, linger_ms=20, **settings)
    futures = []
    for partition, timestamp, key, value, headers in records(args["file"]):
        extra = {"headers": headers} if headers else {}
        futures.append(producer.send(args["topic"], value=value, key=key, partition=partition, timestamp_ms=timestamp, **extra))
    producer.flush(60)
    for future in futures:
        metadata = future.get(60)
        row(metadata.partition, metadata.offset)
    producer.close()


def consume(args):
    """With a group as a member of it, without one each partition from its beginning."""
    count, topic, deadline = int(args["count"]), args["topic"], time.monotonic() + 60
    settings = dict(common(args), auto_offset_reset="earliest", enable_auto_commit=False)
    if "group" in args:
        consumer = KafkaConsumer(topic, group_id=args["group"], **settings)
    else:
        consumer = KafkaConsumer(**settings)
        consumer.assign([TopicPartition(topic, partition) for partition in range(int(args["partitions"]))])
    seen = 0
    while seen < count:
        if time.monotonic() > deadline:
            raise SystemExit(f"saw {seen} records of {count}")
        for batch in consumer.poll(timeout_ms=500).values():
            for record in batch:
                headers = ",".join(f"{name}={hexed(data)}" for name, data in record.headers or [])
                timestamp = -1 if record.timestamp is None else record.timestamp
                row(record.partition, timestamp, hexed(record.key), hexed(record.value), headers, record.offset)
                seen += 1
    if "group" in args:
        consumer.commit()
    consumer.close()


def admin(args):
    """A topic and a group from the first to the last operation."""
    client = KafkaAdminClient(**common(args))
    client.create_topics([NewTopic(args["topic"], 2, 3)])
    for topic in client.describe_topics([args["topic"]]):
        row(topic.get("topic", topic.get("name")), len(topic["partitions"]))
    client.delete_topics([args["topic"]])
    client.close()


def main():
    args = dict(argument.split("=", 1) for argument in sys.argv[2:])
    {"produce": produce, "consume": consume, "admin": admin}[sys.argv[1]](args)
    print("ok")


main()
