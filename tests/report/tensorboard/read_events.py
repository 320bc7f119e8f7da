"""Prints what TensorBoard's own reader finds in a run's folder, as JSON."""
import json
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import plugin_data_pb2

run = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0, "images": 0, "histograms": 0})
run.Reload()
tags = run.Tags()
content = run.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
info = plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info
json.dump(
    {
        "scalars": {tag: [[e.step, e.value] for e in run.Scalars(tag)] for tag in tags["scalars"]},
        "images": {
            tag: [[e.step, e.width, e.height, len(e.encoded_image_string)] for e in run.Images(tag)]
            for tag in tags["images"]
        },
        "histograms": {
            tag: [[e.step, h.num, h.min, h.max, h.sum, h.sum_squares, sum(h.bucket), len(h.bucket)]
                  for e in run.Histograms(tag) for h in [e.histogram_value]]
            for tag in tags["histograms"]
        },
        "hparams": {
            name: getattr(value, value.WhichOneof("kind")) for name, value in info.hparams.items()
        },
        "group": info.group_name,
        "wall": run.FirstEventTimestamp(),
    },
    sys.stdout,
)
