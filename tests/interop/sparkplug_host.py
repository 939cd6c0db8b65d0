"""Reads Sparkplug messages with pysparkplug, which nobody here wrote.

Each line of the input is a topic and a payload in hexadecimal digits; for each, one line of JSON with what it says. The line
`NCMD` is answered with the payload, in hexadecimal digits, of a command that asks a node for its births.
"""

import json
import sys

import pysparkplug

births = {}


def shown(metric):
    value = metric.value
    return {
        "name": metric.name,
        "alias": metric.alias,
        "type": metric.datatype.name,
        "value": value.hex() if isinstance(value, bytes) else value,
        "historical": metric.is_historical,
        "null": metric.is_null,
        "timestamp": metric.timestamp,
    }


def read(topic, raw):
    _, group, kind, node, *device = topic.split("/")
    whose = (group, node, *device)
    payload_type = getattr(pysparkplug, kind[0] + kind[1:].capitalize())
    if kind in ("NBIRTH", "DBIRTH"):
        payload = births[whose] = payload_type.decode(raw)
    elif kind == "NDEATH":
        payload = payload_type.decode(raw)
        return {"kind": kind, "metrics": [shown(payload.bd_seq_metric)]}
    elif kind == "DDEATH":
        payload = payload_type.decode(raw)
        return {"kind": kind, "seq": payload.seq, "metrics": []}
    else:
        payload = payload_type.decode(raw, birth=births[whose])
    return {
        "kind": kind,
        "device": device[0] if device else None,
        "seq": payload.seq,
        "timestamp": payload.timestamp,
        "metrics": [shown(metric) for metric in payload.metrics],
    }


for line in sys.stdin:
    words = line.split()
    if words == ["NCMD"]:
        yes = pysparkplug.Metric(
            timestamp=pysparkplug.get_current_timestamp(),
            name="Node Control/Rebirth",
            datatype=pysparkplug.DataType.BOOLEAN,
            value=True,
        )
        command = pysparkplug.NCmd(timestamp=pysparkplug.get_current_timestamp(), metrics=(yes,))
        print(command.encode(include_dtypes=True).hex(), flush=True)
    else:
        print(json.dumps(read(words[0], bytes.fromhex(words[1]))), flush=True)
