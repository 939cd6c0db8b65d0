"""A Sparkplug edge node by pysparkplug, which nobody here wrote: sparkplug_node.py PORT.

Each line of the input is a value to send of every metric; what the node is asked for is printed, a metric a line.
"""

import sys

import pysparkplug as sp


def metrics(value):
    now = sp.get_current_timestamp()
    kinds = [
        ("int", sp.DataType.INT16, -int(value)),
        ("float", sp.DataType.FLOAT, value / 2),
        ("text", sp.DataType.STRING, f"ä{value}"),
        ("on", sp.DataType.BOOLEAN, bool(value % 2)),
    ]
    return tuple(sp.Metric(timestamp=now, name=n, datatype=d, value=v) for n, d, v in kinds)


def asked(_, message):
    for metric in message.payload.metrics:
        print(metric.name, metric.value, flush=True)


node = sp.EdgeNode("plant", "edge", metrics(1), cmd_callback=asked)
node.register(sp.Device("press", metrics(2)))
node.connect("127.0.0.1", port=int(sys.argv[1]))
for line in sys.stdin:
    node.update(metrics(int(line)))
    node.update_device("press", metrics(int(line)))
