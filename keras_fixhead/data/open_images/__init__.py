"""Test sets gathered from Open Images V4, in place of the paper's unpublished STL Gen and CIFAR-100 Gen.

    FOLDER  ->  boxes  ->  crops, in a seeded order  ->  OUT/CLASS/IMAGE.bmp and OUT/manifest.json  ->  the same again

Only the names exported here are public.
"""
from keras_fixhead.data.open_images.building import GatheringPlan, build_set
from keras_fixhead.data.open_images.class_maps import GATHERED, GatheredSet
from keras_fixhead.data.open_images.manifest import built_note, read_manifest
from keras_fixhead.data.open_images.rebuilding import rebuild_set

__all__ = ["GATHERED", "GatheredSet", "GatheringPlan", "build_set", "built_note", "read_manifest", "rebuild_set"]
