"""The known data sets: their facts, and how to load them.

This module is only a table: a loader is written as 'module:function' and imported when it is needed.
"""
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from keras_fixhead.data import label_names


@dataclass(frozen=True)
class DatasetEntry:
    """A data set.

    Attributes:
        loader: function of (entry, data_dir) that returns whole splits and label names.
        source: its name and major version in TensorFlow Datasets, or the path of a folder of images; None for an
            embedded data set.
        image_shape: (H, W, 3) of the images as the network sees them, (H, W, 1) if they are to be grey; (D,) of the
            vectors of an embedding set.
        train, validation, test: number of images in each split; validation is held out of the original training set.
        crop_padding: width in pixels of the black border from which training images are cropped; 0 for none.
        flip: whether training images are mirrored at random.
        probe_url: address to probe before a download; None if there is nothing to download.
        label_names: names of the classes in the order of their labels; None if they have to be read from the files.
        groups: group -> names of its classes, if the set has coarse labels.
        look_alikes: group -> names of classes that look alike, for analysis, if the set has no coarse labels.
        builder: our own builder for TensorFlow Datasets, 'module:class', if TensorFlow Datasets has none.
        archive: the file that this builder looks for in the folder downloads/manual.
        resize: whether images whose size is not `image_shape` are resized; for folders of images only.
        own_validation: whether the last `validation` images of the training part are a validation part of their own.
        skip_broken: whether pictures that cannot be used are skipped; for folders of images only.
        skipped: why each picture that was skipped cannot be used.
        fit: how pictures are fitted to that size (see `pictures.PictureForm`), in training and in prediction.
        decoding: how a folder's JPEG files are decoded (see `pictures.PictureForm`), in training and in prediction.
        tests: the data set whose models it tests, for a set without training images.
        arrays: names of the two NumPy files, of images and of labels, that its authors publish.
        published: where they publish them.
        terms: the terms under which its owners offer it.
        packed: the folder of the packed set that it is read from.
        subset: description of what a packed set is a subset of, from its own files.
    """

    summary: str
    loader: str
    source: str | None
    image_shape: tuple[int, ...]
    num_classes: int
    train: int
    validation: int
    test: int
    crop_padding: int
    flip: bool
    probe_url: str | None
    citation: str
    label_names: Sequence[str] | None = None
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    look_alikes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    builder: str | None = None
    archive: str | None = None
    resize: bool = False
    fit: str = "crop"
    decoding: str = "full"
    own_validation: bool = False
    skip_broken: bool = False
    skipped: tuple[str, ...] = ()
    tests: str | None = None
    arrays: tuple[str, str] | None = None
    published: str = ""
    terms: str = ""
    packed: str | None = None
    subset: str | None = None

    @property
    def has_vectors(self) -> bool:
        """Whether its examples are vectors instead of pictures: an embedding set."""
        return len(self.image_shape) == 1

    @property
    def tfds_name(self) -> str | None:
        """Its name in TensorFlow Datasets, and its configuration there, without the version."""
        return None if self.source is None else self.source.partition(":")[0]

    @property
    def similar(self) -> Mapping[str, tuple[str, ...]]:
        """Groups of classes that look alike: the coarse labels or, if there are none, `look_alikes`."""
        return self.groups or self.look_alikes


def _cifar10_1(version: str, test: int) -> DatasetEntry:
    return DatasetEntry(
        summary=f"a second test set for cifar10 (version {version} of CIFAR-10.1), 32x32; no training images",
        loader="keras_fixhead.data.array_files:load_array_files",
        source=f"cifar10_1/{version}:1.*.*",
        image_shape=(32, 32, 3),
        num_classes=10,
        train=0,
        validation=0,
        test=test,
        crop_padding=0,
        flip=False,
        probe_url="https://github.com/",
        label_names=label_names.CIFAR10,
        look_alikes=label_names.CIFAR10_LOOK_ALIKES,
        tests="cifar10",
        arrays=(f"cifar10.1_{version}_data.npy", f"cifar10.1_{version}_labels.npy"),
        published="the folder datasets of https://github.com/modestyachts/CIFAR-10.1",
        citation="Recht, Roelofs, Schmidt and Shankar (2018), Do CIFAR-10 Classifiers Generalize to CIFAR-10?, "
        "arXiv:1806.00451",
        terms="MIT licence; the photographs belong to their photographers",
    )


DATASETS: dict[str, DatasetEntry] = {
    "digits": DatasetEntry(
        summary="handwritten digits from scikit-learn, 8x8 pixels, enlarged to 32x32; nothing to download",
        loader="keras_fixhead.data.digits:load_digits",
        source=None,
        image_shape=(32, 32, 3),
        num_classes=10,
        train=1_257,
        validation=180,
        test=360,
        crop_padding=4,
        flip=False,
        probe_url=None,
        label_names=tuple("0123456789"),
        citation="Alpaydin and Kaynak (1998), Optical Recognition of Handwritten Digits, UCI, doi:10.24432/C50P49",
        terms="CC BY 4.0 (UCI Machine Learning Repository)",
    ),
    "cifar10": DatasetEntry(
        summary="photographs of objects in 10 classes, 32x32",
        loader="keras_fixhead.data.tfds:load_tfds",
        source="cifar10:3.*.*",
        image_shape=(32, 32, 3),
        num_classes=10,
        train=45_000,
        validation=5_000,
        test=10_000,
        crop_padding=4,
        flip=True,
        probe_url="https://www.cs.toronto.edu/",
        label_names=label_names.CIFAR10,
        look_alikes=label_names.CIFAR10_LOOK_ALIKES,
        citation="Krizhevsky (2009), Learning Multiple Layers of Features from Tiny Images",
        terms="offered for research by its authors, who ask for the citation and state no licence; the "
        "photographs belong to their photographers",
    ),
    "cifar100": DatasetEntry(
        summary="photographs of objects in 100 classes and 20 groups, 32x32",
        loader="keras_fixhead.data.tfds:load_tfds",
        source="cifar100:3.*.*",
        image_shape=(32, 32, 3),
        num_classes=100,
        train=45_000,
        validation=5_000,
        test=10_000,
        crop_padding=4,
        flip=True,
        probe_url="https://www.cs.toronto.edu/",
        label_names=label_names.CIFAR100,
        groups=label_names.CIFAR100_GROUPS,
        citation="Krizhevsky (2009), Learning Multiple Layers of Features from Tiny Images",
        terms="offered for research by its authors, who ask for the citation and state no licence; the "
        "photographs belong to their photographers",
    ),
    "stl10": DatasetEntry(
        summary="photographs of objects in 10 classes, 96x96; its unlabelled images are not used",
        loader="keras_fixhead.data.tfds:load_tfds",
        source="stl10:1.*.*",
        image_shape=(96, 96, 3),
        num_classes=10,
        train=4_500,
        validation=500,
        test=8_000,
        crop_padding=10,
        flip=True,
        probe_url="https://ai.stanford.edu/",
        label_names=label_names.STL10,
        look_alikes=label_names.STL10_LOOK_ALIKES,
        citation="Coates, Ng and Lee (2011), An Analysis of Single-Layer Networks in Unsupervised Feature Learning",
        terms="offered for research by its authors, who ask for the citation and state no licence; its "
        "images come from ImageNet, whose terms allow non-commercial research and education only",
    ),
    "tiny_imagenet": DatasetEntry(
        summary="photographs of objects in 200 classes, 64x64; its validation images are the test set",
        loader="keras_fixhead.data.tfds:load_tfds",
        source="tiny_imagenet:1.*.*",
        image_shape=(64, 64, 3),
        num_classes=200,
        train=90_000,
        validation=10_000,
        test=10_000,
        crop_padding=8,
        flip=True,
        probe_url="http://cs231n.stanford.edu/",
        builder="keras_fixhead.data.tiny_imagenet:TinyImagenet",
        archive="tiny-imagenet-200.zip",
        look_alikes=label_names.TINY_IMAGENET_LOOK_ALIKES,
        citation="Le and Yang (2015), Tiny ImageNet Visual Recognition Challenge",
        terms="ImageNet's terms: non-commercial research and education only; the images belong to their "
        "photographers",
    ),
    "fashion_mnist": DatasetEntry(
        summary="grey images of clothing, 28x28, with a black border of 2 pixels: 32x32",
        loader="keras_fixhead.data.tfds:load_tfds",
        source="fashion_mnist:3.*.*",
        image_shape=(32, 32, 3),
        num_classes=10,
        train=54_000,
        validation=6_000,
        test=10_000,
        crop_padding=4,
        flip=True,
        probe_url="http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        label_names=label_names.FASHION_MNIST,
        look_alikes=label_names.FASHION_MNIST_LOOK_ALIKES,
        citation="Xiao, Rasul and Vollgraf (2017), Fashion-MNIST, arXiv:1708.07747",
        terms="MIT licence",
    ),
    "cifar10_1": _cifar10_1("v6", 2_000),  # 200 of each class; its authors suggest it for new work
    "cifar10_1/v6": _cifar10_1("v6", 2_000),
    "cifar10_1/v4": _cifar10_1("v4", 2_021),  # the version of most numbers in its paper
}


def own_entry(summary: str, height: int, width: int) -> DatasetEntry:
    """Returns the entry of a user's own images, without classes and sizes.

    Args:
        summary: description of the images.
        height, width: size of the images, in pixels.
    """
    return DatasetEntry(
        summary=summary, loader="keras_fixhead.data.image_folder:read_image_folder", source=None,
        image_shape=(height, width, 3), num_classes=0, train=0, validation=0, test=0,
        crop_padding=min(height, width) // 8, flip=True, probe_url=None, citation="")
