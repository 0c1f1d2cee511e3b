"""Checks the bucket of the files, if they are in one."""

from __future__ import annotations

from importlib.util import find_spec
from itertools import islice

from ezdms.settings import Settings
from ezdms.store.file_store import NEEDS, has_files
from ezdms.verify.report import Finding, failed, ok

SLICE = 1000  # files


async def examine(settings: Settings, deployment_id: str, whole: dict[str, int]) -> Finding:
    """Whether it can be used, and has these files: sizes by name. Stores and deletes an object."""
    if settings.files_url is None or not find_spec("obstore"):
        return failed("files", NEEDS)
    from ezdms.store.bucket import Bucket, BucketError  # loads the client

    bucket = Bucket(settings.files_url, settings.files_key, deployment_id)
    said = f"{len(whole)} files, {sum(whole.values()) / 1024 / 1024:.1f} MiB"
    missing = 0
    try:
        await bucket.check()
        names = iter(sorted(whole))
        while some := list(islice(names, SLICE)):
            sizes = await bucket.sizes(some)
            missing += sum(sizes.get(name) != whole[name] for name in some)
    except BucketError as error:
        return failed("files", f"The bucket of EZDMS_FILES_URL cannot be used: {error}.")
    if has_files(settings.data_dir):
        return failed("files", f"There are files in {settings.data_dir}. Stop the server, and run: ezdms move-files")
    if missing:
        return failed("files", f"{missing} of {said} are not in the bucket, or not whole. Put them back.")
    return ok("files", f"{said}, in the bucket {settings.files_url.bucket}. It can be read and written.")
