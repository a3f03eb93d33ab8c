"""What `fixhead export` prints."""
from pathlib import Path
from typing import TYPE_CHECKING

from fixhead_cli.output import command_line

if TYPE_CHECKING:
    from fixhead_serving.export import ExportedModel


def exported_text(exported: "ExportedModel", directory: Path) -> list[str]:
    """Returns where an export is, its size, speed and largest difference, and what to type next, as lines."""
    after = ["Next:", f"  {command_line('serve', directory)}"] if exported.format == "saved_model" else []
    return [f"{exported.name}, version {exported.version}: {exported.path}",
            f"{exported.size_bytes / 1e6:.1f} MB; {exported.images_per_second:,.0f} images per second here in batches "
            f"of 32; logits match the Keras model's to {exported.largest_difference:.0e}.", *after]
