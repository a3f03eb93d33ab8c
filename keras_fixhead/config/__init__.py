"""The configuration of a run: as asked for (`train_config`), as resolved (`resolved`), and its files (`files`)."""
from keras_fixhead.config.checks import logits_bytes, option, stops_streaming, streams
from keras_fixhead.config.dependent import refuse_without_effect
from keras_fixhead.config.files import (
    CONFIG_SCHEMA,
    Stored,
    earlier_digest,
    from_stored,
    names_draw,
    read_config_file,
    resolved_fields,
    to_store,
)
from keras_fixhead.config.length import Length, epoch_count, steps_of
from keras_fixhead.config.resolved import Resolved, dataset_entry, length_of, resolve, run_digest, train_size
from keras_fixhead.config.train_config import (
    RESULT_ROLES,
    ROLES,
    TrainConfig,
    arm_name,
    check_names,
    file_stem,
    scale_text,
)

__all__ = ["CONFIG_SCHEMA", "RESULT_ROLES", "ROLES", "Length", "Resolved", "Stored", "TrainConfig", "arm_name",
           "check_names", "dataset_entry", "earlier_digest", "epoch_count", "file_stem", "from_stored", "length_of",
           "logits_bytes", "names_draw", "option", "read_config_file", "refuse_without_effect", "resolve",
           "resolved_fields", "run_digest", "scale_text", "steps_of", "stops_streaming", "streams", "to_store",
           "train_size"]
