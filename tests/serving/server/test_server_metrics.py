"""Names, labels, units and buckets of TensorFlow Serving: util.cc, batching_session.cc, saved_model_warmup_util.cc."""
import re

from prometheus_client.parser import text_string_to_metric_families

from fixhead_serving.server.metrics import Metrics

EXPECTED = {
    "request_count": ("counter", {"model_name", "status"}),
    "request_latency": ("histogram", {"model_name", "API", "entrypoint"}),
    "runtime_latency": ("histogram", {"model_name", "API", "runtime"}),
    "model_warmup_latency": ("histogram", {"model_path", "status"}),
    "model_warmup_records_read": ("counter", {"model_path", "status"}),
    "batching_session:queuing_latency": ("histogram", {"thread_pool_name"}),
    "batching_session:wrapped_run_count": ("counter", set()),
}


def filled():
    metrics = Metrics()
    metrics.request_count.add("m", "OK", count=3)
    metrics.request_latency.add("m", "predict", "REST", value=20.0)
    metrics.runtime_latency.add("m", "Predict", "TF1", value=10.0)
    metrics.warmup_latency.add('a "path" \\', "OK", value=1e12)
    metrics.warmup_records.add("a", "OK", count=5)
    metrics.queuing_latency.add("", value=101.0)
    metrics.merged_calls.add()
    return metrics


def test_the_metrics_page_has_the_names_types_and_labels_of_tensorflow_serving():
    page = filled().page().decode()

    types = dict(re.findall(r"^# TYPE :tensorflow:serving:(\S+) (\S+)$", page, re.MULTILINE))
    assert types == {name: kind for name, (kind, _) in EXPECTED.items()}
    for name, (kind, labels) in EXPECTED.items():
        suffix = "_count" if kind == "histogram" else ""
        (line,) = re.findall(rf"^:tensorflow:serving:{name}{suffix}(?:{{(.*)}})? \S+$", page, re.MULTILINE)
        assert set(re.findall(r'(\w+)="', line)) - {"path"} == labels
    assert "_created" not in page and ':tensorflow:serving:request_count{model_name="m",status="OK"} 3.0' in page


def test_the_prometheus_parser_reads_the_metrics_page():
    families = {family.name: family for family in text_string_to_metric_families(filled().page().decode())}
    samples = families[":tensorflow:serving:model_warmup_latency"].samples

    assert {sample.labels["model_path"] for sample in samples} == {'a "path" \\'}


def test_latencies_have_33_buckets_growing_by_1_8_from_10_microseconds():
    families = {family.name: family for family in text_string_to_metric_families(filled().page().decode())}
    buckets = [(sample.labels["le"], sample.value) for sample in families[":tensorflow:serving:request_latency"].samples
               if sample.name.endswith("_bucket")]  # fmt: skip

    assert len(buckets) == 34 and [limit for limit, _ in buckets[:4]] == ["10", "18", "32.4", "58.32"]
    assert [count for _, count in buckets] == [0, 0, *[1] * 32] and buckets[-1][0] == "+Inf"
    (last,) = [sample.value for sample in families[":tensorflow:serving:model_warmup_latency"].samples
               if sample.labels.get("le") == "+Inf"]  # fmt: skip
    assert last == 1  # beyond the last bound


def test_a_value_on_a_bound_belongs_to_its_bucket():
    families = {family.name: family for family in text_string_to_metric_families(filled().page().decode())}
    first = families[":tensorflow:serving:runtime_latency"].samples[0]

    assert (first.labels["le"], first.value) == ("10", 1)
