"""The networks of keras.applications, as entries of the catalogue: what is known of them before Keras is loaded."""
from keras_fixhead.catalog import APPLICATIONS_PREFIX, ModelEntry

_RELU, _SWISH, _HARD_SWISH = 0.0, -0.28, -0.375
"""The smallest value after an activation."""


def _entry(name: str, channels: int, preprocessing: str, paper: str, *, min_side: int = 32,
           lowest: float | None = _RELU) -> tuple[str, ModelEntry]:
    entry = ModelEntry(
        summary=f"{name} of keras.applications; --weights imagenet starts from published weights",
        builder=f"keras_fixhead.models.keras_applications:{name}", channels=channels, stride=32, widths=False,
        signed_features=lowest is None, lowest=0.0 if lowest is None else lowest, preprocessing=preprocessing,
        min_side=min_side, takes_weights=True, citation=paper)
    return APPLICATIONS_PREFIX + name, entry


_CONVNEXT = "Liu et al. (2022), A ConvNet for the 2020s, arXiv:2201.03545"
_DENSENET = "Huang et al. (2017), Densely Connected Convolutional Networks, arXiv:1608.06993"
_EFFICIENTNET = "Tan and Le (2019), EfficientNet, arXiv:1905.11946"
_EFFICIENTNET_V2 = "Tan and Le (2021), EfficientNetV2, arXiv:2104.00298"
_MOBILENET_V3 = "Howard et al. (2019), Searching for MobileNetV3, arXiv:1905.02244"
_NASNET = "Zoph et al. (2018), Learning Transferable Architectures, arXiv:1707.07012"
_RESNET = "He et al. (2016), Deep Residual Learning for Image Recognition, arXiv:1512.03385"
_RESNET_V2 = "He et al. (2016), Identity Mappings in Deep Residual Networks, arXiv:1603.05027"
_VGG = "Simonyan and Zisserman (2015), Very Deep Convolutional Networks, arXiv:1409.1556"

APPLICATIONS: dict[str, ModelEntry] = dict([
    *(_entry(f"ConvNeXt{size}", channels, "inside", _CONVNEXT, lowest=None) for size, channels in
      [("Tiny", 768), ("Small", 768), ("Base", 1024), ("Large", 1536), ("XLarge", 2048)]),
    *(_entry(f"DenseNet{depth}", channels, "torch", _DENSENET) for depth, channels in
      [(121, 1024), (169, 1664), (201, 1920)]),
    *(_entry(f"EfficientNetB{size}", channels, "inside", _EFFICIENTNET, lowest=_SWISH) for size, channels in
      enumerate([1280, 1280, 1408, 1536, 1792, 2048, 2304, 2560])),
    *(_entry(f"EfficientNetV2{size}", channels, "inside", _EFFICIENTNET_V2, lowest=_SWISH) for size, channels in
      [("B0", 1280), ("B1", 1280), ("B2", 1408), ("B3", 1536), ("S", 1280), ("M", 1280), ("L", 1280)]),
    _entry("InceptionResNetV2", 1536, "tf", "Szegedy et al. (2017), Inception-v4, arXiv:1602.07261", min_side=75),
    _entry("InceptionV3", 2048, "tf", "Szegedy et al. (2016), Rethinking the Inception Architecture, arXiv:1512.00567",
           min_side=75),
    _entry("MobileNet", 1024, "tf", "Howard et al. (2017), MobileNets, arXiv:1704.04861"),
    _entry("MobileNetV2", 1280, "tf", "Sandler et al. (2018), MobileNetV2: Inverted Residuals and Linear Bottlenecks, "
           "arXiv:1801.04381"),
    _entry("MobileNetV3Small", 576, "inside", _MOBILENET_V3, lowest=_HARD_SWISH),
    _entry("MobileNetV3Large", 960, "inside", _MOBILENET_V3, lowest=_HARD_SWISH),
    _entry("NASNetMobile", 1056, "tf", _NASNET),
    _entry("NASNetLarge", 4032, "tf", _NASNET),
    *(_entry(f"ResNet{depth}", 2048, "caffe", _RESNET) for depth in (50, 101, 152)),
    *(_entry(f"ResNet{depth}V2", 2048, "tf", _RESNET_V2) for depth in (50, 101, 152)),
    *(_entry(f"VGG{depth}", 512, "caffe", _VGG) for depth in (16, 19)),
    _entry("Xception", 2048, "tf", "Chollet (2017), Xception, arXiv:1610.02357", min_side=71),
])
"""Name, with the prefix 'keras_applications/' -> network without its classifier, at width 1."""
