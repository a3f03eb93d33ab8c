"""What a step of TensorFlow is made in: a graph or eager execution, with or without a gradient tape."""


def in_graph() -> bool:
    """Returns whether TensorFlow is making a graph."""
    import tensorflow as tf  # only on this backend

    return not tf.executing_eagerly()


def may_be_differentiated() -> bool:
    """Returns whether a gradient tape is recording, also one around the function that is becoming a graph."""
    try:
        from tensorflow.python.eager import record  # nothing public tells
    except ImportError:
        return True
    return bool(record.could_possibly_record())
