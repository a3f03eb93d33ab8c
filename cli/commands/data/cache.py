"""`fixhead data cache`."""
from pathlib import Path

import click

from fixhead_cli.output import json_option, print_result


@click.command("cache")
@click.option("--clear", is_flag=True, help="Remove the cached data sets.")
@json_option
def cache(clear: bool, as_json: bool) -> None:
    """List, or clear, the data sets that are cached for quicker starts.

    \b
    Example:
        fixhead data cache
        fixhead data cache --clear
    """
    from keras_fixhead.data import cache as cached
    from keras_fixhead.data import pixel_cache

    sets, pictures = ({str(folder): sum(file.stat().st_size for file in folder.iterdir()) for folder in folders}
                      for folders in (cached.sets(), pixel_cache.kept()))
    if clear:
        cached.clear()
        pixel_cache.clear()
    print_result({"folder": str(cached.folder_of_sets()), "on": pixel_cache.is_on(), "cleared": clear, "sets": sets,
                  "pictures": pictures},
                 as_json=as_json, text=[
        f"{cached.folder_of_sets()}: {len(sets)} data sets, {sum(sets.values()) / 1e6:,.1f} MB"
        f"{'; cleared' if clear else ''}{'' if pixel_cache.is_on() else f' (switched off by {pixel_cache.SWITCH})'}",
        *[f"  {size / 1e6:,.1f} MB  {Path(folder).name}" for folder, size in sets.items()],
        *([f"{pixel_cache.folder_of_pixels()}: pixels of pictures, {sum(pictures.values()) / 1e6:,.1f} MB"
           f"{'; cleared' if clear else ''}"] if pictures else [])])
