"""What TensorFlow Serving 2.20.0 accepts, from its source (github.com/tensorflow/serving, tag 2.20.0).

The messages in its text files are built from descriptors and read by the parser of protobuf. The descriptors for
models.config are those of the local server, which reads it too; those for the two files that the local server does
not read, which tensorflow-serving-api lacks, are below.
"""
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format

# tensorflow_serving/model_servers/main.cc, the flag list of main()
_FLAGS = """
    port grpc_socket_path rest_api_port rest_api_num_threads rest_api_timeout_in_ms rest_api_enable_cors_support
    enable_batching allow_version_labels_for_unavailable_models batching_parameters_file
    enable_per_model_batching_parameters model_config_file model_config_file_poll_wait_seconds model_name
    model_base_path num_load_threads num_unload_threads max_num_load_retries load_retry_interval_micros
    file_system_poll_wait_seconds flush_filesystem_caches tensorflow_session_parallelism
    tensorflow_session_config_file tensorflow_intra_op_parallelism tensorflow_inter_op_parallelism
    use_alts_credentials ssl_config_file platform_config_file per_process_gpu_memory_fraction saved_model_tags
    grpc_channel_arguments grpc_max_threads enable_model_warmup num_request_iterations_for_warmup version
    monitoring_config_file remove_unused_fields_from_bundle_metagraph prefer_tflite_model num_tflite_pools
    num_tflite_interpreters_per_pool enable_signature_method_name_check xla_cpu_compilation_enabled
    xla_gpu_compilation_enabled enable_profiler thread_pool_factory_config_file mixed_precision skip_initialize_tpu
    enable_grpc_healthcheck_service enable_serialization_as_tensor_content
"""
FLAGS = frozenset(_FLAGS.split())

# tensorflow_serving/model_servers/server.cc, BuildAndStart(): the services known to its gRPC health service
HEALTH_SERVICES = {"ModelService", "PredictionService"}

# message -> its fields: name, number, type; "*" marks a repeated one. A type with a capital is a message.
MESSAGES = {
    # tensorflow_serving/config/monitoring_config.proto
    "MonitoringConfig": ["prometheus_config 1 PrometheusConfig"],
    "PrometheusConfig": ["enable 1 bool", "path 2 string"],
    # tensorflow_serving/servables/tensorflow/session_bundle_config.proto, google/protobuf/wrappers.proto
    "BatchingParameters": ["max_batch_size 1 Int64Value", "batch_timeout_micros 2 Int64Value",
                           "max_enqueued_batches 3 Int64Value", "num_batch_threads 4 Int64Value",
                           "thread_pool_name 5 StringValue", "allowed_batch_sizes 6 *int64",
                           "pad_variable_length_inputs 7 bool", "enable_large_batch_splitting 8 BoolValue",
                           "max_execution_batch_size 9 Int64Value"],
    "Int64Value": ["value 1 int64"],
    "StringValue": ["value 1 string"],
    "BoolValue": ["value 1 bool"],
}


def parse(message, text):
    """Parses the content of a text file as a message of that name; protobuf's ParseError has line and column."""
    return text_format.Parse(text, message_factory.GetMessageClass(_POOL.FindMessageTypeByName(f"facts.{message}"))())


def _pool():
    pool = descriptor_pool.DescriptorPool()
    file = descriptor_pb2.FileDescriptorProto(name="facts.proto", package="facts", syntax="proto3")
    for message, fields in MESSAGES.items():
        described = file.message_type.add(name=message)
        for name, number, kind in map(str.split, fields):
            field = described.field.add(name=name, number=int(number), label=3 if kind.startswith("*") else 1)
            kind = kind.lstrip("*")
            if kind[0].isupper():
                field.type, field.type_name = field.TYPE_MESSAGE, f".facts.{kind}"
            else:
                field.type = getattr(field, f"TYPE_{kind.upper()}")
    pool.Add(file)
    return pool


_POOL = _pool()
