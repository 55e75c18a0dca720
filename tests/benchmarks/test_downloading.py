import hashlib
import io
import json
import os
import signal
import stat
import sys
import tarfile
import time
import zipfile
from urllib.request import Request

import pytest
import yaml
from file_server import Ways, serving
from tiny_world import paint

from command_line import CommandLine
from killing import contents, run_to_the_end, start
from rebind.benchmarks import BENCHMARKS, build_benchmark
from rebind.benchmarks.downloading import download
from rebind.benchmarks.downloading.addresses import missing, read_sources
from rebind.benchmarks.downloading.http_files import Patience
from rebind.benchmarks.downloading.opening import EncryptedStays, opener
from rebind.benchmarks.naming import describe
from rebind.types import UserError
from tiny_models import build_encoders

QUICK = Patience(attempts=3, longest_wait=0.01, timeout=5)
CATEGORIES = ("swap_obj", "replace_att", "swap_att", "replace_obj", "replace_rel", "add_obj", "add_att")
PICTURES = "coco/val2017"


@pytest.fixture
def server():
    with serving() as running:
        yield running


@pytest.fixture
def published(server, tmp_path):
    """A small SugarCrepe on the server: two annotation files and a zip of pictures; gives the list of addresses."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as pictures:
        for i in range(4):
            paint(tmp_path / "painted.png", i)
            pictures.write(tmp_path / "painted.png", f"val2017/{i}.png")
    server.files["/zips/val2017.zip"] = archive.getvalue()
    for category in CATEGORIES:
        foils = [
            {"filename": f"{i}.png", "caption": f"a red circle {i}", "negative_caption": f"a star {i}"}
            for i in range(4)
        ]
        server.files[f"/data/{category}.json"] = json.dumps({str(i): foil for i, foil in enumerate(foils)}).encode()
    return write_list(
        tmp_path,
        {
            "sugarcrepe": {"address": f"{server.address}/data", "files": [f"{each}.json" for each in CATEGORIES]},
            PICTURES: {"address": f"{server.address}/zips/val2017.zip", "member": "val2017"},
        },
    )


def write_list(folder, entries):
    (folder / "addresses.yaml").write_text(yaml.safe_dump(entries))
    return folder / "addresses.yaml"


def get(root, addresses, *names, given=None):
    """Download what benchmarks lack; gives the lines that were printed."""
    said = []
    kinds = {name: BENCHMARKS[name] for name in names or ("sugarcrepe",)}
    download(kinds, root, given or {}, addresses, said.append, QUICK)
    return said


def get_pictures(server, tmp_path, content, suffix="zip", **entry):
    """Download what one archive holds as COCO's pictures, the annotations being there."""
    server.files[f"/pictures.{suffix}"] = content
    (tmp_path / "root/sugarcrepe").mkdir(parents=True, exist_ok=True)
    entries = {PICTURES: {"address": f"{server.address}/pictures.{suffix}", **entry}}
    get(tmp_path / "root", write_list(tmp_path, entries), given={"sugarcrepe": {"annotations": "elsewhere"}})
    return contents(tmp_path / "root")


def tar_of(*members, mode="w:gz"):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode=mode) as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return packed.getvalue()


def zip_of(**members):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return packed.getvalue()


def test_all_that_is_missing_is_fetched_printed_and_laid_out(server, published, tmp_path):
    said = get(tmp_path / "root", published)
    places = {f"/data/{each}.json": f"sugarcrepe/{each}.json" for each in CATEGORIES} | {"/zips/val2017.zip": PICTURES}
    sizes = [len(server.files[path]) for path in places]
    assert said == [
        *(
            f"{server.address}{path}: {size:,} bytes → {tmp_path}/root/{place}"
            for (path, place), size in zip(places.items(), sizes, strict=True)
        ),
        f"Total: {sum(sizes):,} bytes",
    ]
    laid = contents(tmp_path / "root")
    pictures = zipfile.ZipFile(io.BytesIO(server.files["/zips/val2017.zip"]))
    assert laid == {
        **{f"sugarcrepe/{each}.json": server.files[f"/data/{each}.json"] for each in CATEGORIES},
        **{f"coco/val2017/{i}.png": pictures.read(f"val2017/{i}.png") for i in range(4)},
    }
    assert len(build_benchmark("sugarcrepe", tmp_path / "root").items) == 28


def test_what_is_there_is_neither_fetched_nor_asked_for(server, published, tmp_path):
    root = tmp_path / "root"
    (root / "sugarcrepe").mkdir(parents=True)
    (root / "sugarcrepe/swap_obj.json").write_text("mine")
    (root / PICTURES).mkdir(parents=True)
    get(root, published)
    lacking = [f"/data/{each}.json" for each in CATEGORIES[1:]]
    assert [path for _, path, _ in server.requests] == [*lacking, *lacking]
    assert (root / "sugarcrepe/swap_obj.json").read_text() == "mine"
    assert list((root / PICTURES).iterdir()) == []
    server.requests.clear()
    assert get(root, published) == []
    assert server.requests == []


def test_files_that_are_named_by_flags_are_not_fetched(server, published, tmp_path):
    get(tmp_path / "root", published, given={"sugarcrepe": {"images": "elsewhere"}})
    assert server.gets("/zips/val2017.zip") == []
    assert not (tmp_path / "root/coco").exists()


def test_benchmarks_that_share_pictures_fetch_them_once(server, published, tmp_path):
    entries = yaml.safe_load(published.read_text())
    entries["sugarcrepe_pp"] = {**entries["sugarcrepe"]}
    get(tmp_path / "root", write_list(tmp_path, entries), "sugarcrepe", "sugarcrepe++")
    assert server.gets("/zips/val2017.zip") == [""]


def test_two_files_of_one_archive_are_fetched_once(server, tmp_path):
    server.files["/caption_datasets.zip"] = zip_of(**{"dataset_coco.json": b"{}", "dataset_flickr30k.json": b"[]"})
    names = ("dataset_coco.json", "dataset_flickr30k.json")
    entries = {
        f"karpathy/{name}": {"address": f"{server.address}/caption_datasets.zip", "member": name} for name in names
    }
    given = {name: {"images": "elsewhere"} for name in ("coco", "flickr30k")}
    said = get(tmp_path / "root", write_list(tmp_path, entries), "coco", "flickr30k", given=given)
    assert len(said) == 2
    assert server.gets("/caption_datasets.zip") == [""]
    assert contents(tmp_path / "root") == {
        "karpathy/dataset_coco.json": b"{}",
        "karpathy/dataset_flickr30k.json": b"[]",
    }


def test_several_archives_make_one_folder(server, tmp_path):
    server.files |= {f"/{i}.zip": zip_of(**{f"VG_100K_{i}/{i}.jpg": b"picture"}) for i in (1, 2)}
    entries = {"visual_genome/images": {"address": [f"{server.address}/1.zip", f"{server.address}/2.zip"]}}
    get(tmp_path / "root", write_list(tmp_path, entries), "crepe", given={"crepe": {"annotations": "elsewhere"}})
    assert set(contents(tmp_path / "root")) == {f"visual_genome/images/VG_100K_{i}/{i}.jpg" for i in (1, 2)}


@pytest.mark.parametrize(
    ("content", "suffix"),
    [
        (tar_of(("imagenet-a/n01/1.jpg", b"1"), ("imagenet-a/n02/2.jpg", b"2"), mode="w"), "tar"),
        (tar_of(("any/n01/1.jpg", b"1"), ("any/n02/2.jpg", b"2")), "tar.gz"),
        (zip_of(**{"n01/1.jpg": b"1", "n02/2.jpg": b"2"}), "zip"),
        (zip_of(**{"any/n01/1.jpg": b"1", "any/n02/2.jpg": b"2", "__MACOSX/any/1.jpg": b""}), "zip"),
    ],
    ids=["tar", "compressed tar", "flat zip", "zip of a Mac"],
)
def test_the_one_folder_in_which_all_lies_is_stripped(server, tmp_path, content, suffix):
    laid = get_pictures(server, tmp_path, content, suffix)
    assert laid == {f"{PICTURES}/n01/1.jpg": b"1", f"{PICTURES}/n02/2.jpg": b"2"}


@pytest.mark.parametrize("ranges", [True, False])
def test_a_lost_connection_is_continued_or_started_afresh(server, published, tmp_path, ranges):
    size = len(server.files["/zips/val2017.zip"])
    cuts = [size // 3, size // 3, size // 4] if ranges else [size // 4, size // 3, size // 2]
    server.ways["/zips/val2017.zip"] = Ways(ranges=ranges, cuts=cuts)
    get(tmp_path / "root", published)
    asked = server.gets("/zips/val2017.zip")
    assert len(asked) == 4
    assert asked[:2] == ["", f"bytes={size // (3 if ranges else 4)}-"]
    assert len(list((tmp_path / "root" / PICTURES).iterdir())) == 4
    assert not list((tmp_path / "root").rglob(".*"))


def test_a_file_that_has_changed_in_between_is_not_continued(server, published, tmp_path):
    path = "/data/swap_obj.json"
    server.ways[path] = Ways(cuts=[10, 0, 0, 0])
    with pytest.raises(UserError, match=r"ended at 10 of [\d,]+ bytes, 3 times; the same command continues later"):
        get(tmp_path / "root", published)
    server.files[path], server.ways[path] = b"[" + server.files[path], Ways(etag='"2"')
    get(tmp_path / "root", published)
    assert server.gets(path)[-1] == ""
    assert (tmp_path / "root/sugarcrepe/swap_obj.json").read_bytes() == server.files[path]


def test_the_next_call_continues_and_without_a_version_it_does_not(server, published, tmp_path):
    for etag, wanted in (('"1"', "bytes=10-"), ("", ""), ('W/"1"', "")):
        root = tmp_path / f"root {etag.strip()[:1]}"
        server.ways["/data/swap_obj.json"] = Ways(etag=etag, cuts=[10, 0, 0, 0])
        with pytest.raises(UserError, match="ended at"):
            get(root, published)
        server.ways["/data/swap_obj.json"].cuts.clear()
        get(root, published)
        assert server.gets("/data/swap_obj.json")[-1] == wanted
        assert (root / "sugarcrepe/swap_obj.json").read_bytes() == server.files["/data/swap_obj.json"]


@pytest.mark.parametrize("odd", [{"statuses": [416]}, {"shifts": [1]}])
def test_a_server_that_gives_another_part_is_asked_for_all(server, published, tmp_path, odd):
    path = "/data/swap_obj.json"
    server.ways[path] = Ways(cuts=[10, 0, 0, 0])
    with pytest.raises(UserError, match="ended at 10"):
        get(tmp_path / "root", published)
    server.requests.clear()
    server.ways[path] = Ways(**odd)
    get(tmp_path / "root", published)
    assert server.gets(path) == ["bytes=10-", ""]
    assert (tmp_path / "root/sugarcrepe/swap_obj.json").read_bytes() == server.files[path]


def test_a_busy_server_is_asked_again(server, published, tmp_path):
    server.ways["/data/swap_obj.json"] = Ways(statuses=[503, 429])
    get(tmp_path / "root", published)
    assert server.gets("/data/swap_obj.json") == ["", "", ""]


def test_a_server_that_answers_no_head_or_gives_no_length(server, published, tmp_path):
    server.ways["/data/swap_obj.json"] = Ways(head=False)
    server.ways["/data/replace_att.json"] = Ways(length=None)
    said = get(tmp_path / "root", published)
    assert said[0].startswith(f"{server.address}/data/swap_obj.json: {len(server.files['/data/swap_obj.json'])} bytes")
    assert said[1].startswith(f"{server.address}/data/replace_att.json: size unknown")
    assert said[-1].endswith(" bytes, and 1 of unknown size")
    assert (tmp_path / "root/sugarcrepe/replace_att.json").read_bytes() == server.files["/data/replace_att.json"]


@pytest.mark.parametrize(
    ("ways", "message"),
    [
        (Ways(length=99), r"swap_obj.json was promised to have 99 bytes, and has \d+$"),
        (Ways(length=9999, claimed=9999), r"the connection ended at \d+ of 9,999 bytes, 3 times"),
        (Ways(kind="text/html; charset=utf-8"), "swap_obj.json is an HTML page, not the file"),
        (Ways(statuses=[503] * 9), r"swap_obj.json cannot be downloaded: the server says 503 [\w ]+, 3 times"),
        (Ways(statuses=[410]), "swap_obj.json cannot be downloaded: the server says 410 Gone$"),
        (Ways(location="file:///etc/passwd"), "the server says 302"),
        (Ways(location="ftp://127.0.0.1/x"), "unknown url type: ftp"),
        (Ways(length=10**15), r"bytes free, and the download needs 1,000,000,000,\S+ "),
    ],
)
def test_what_is_wrong_with_a_server_is_said(server, published, tmp_path, ways, message):
    server.ways["/data/swap_obj.json"] = ways
    with pytest.raises(UserError, match=message):
        get(tmp_path / "root", published)
    assert not list((tmp_path / "root").rglob("[!.]*.json"))


def test_nothing_is_fetched_when_a_file_is_not_at_its_address_or_the_disk_is_too_small(server, published, tmp_path):
    del server.files["/data/replace_att.json"]
    with pytest.raises(UserError, match=r"replace_att.json cannot be downloaded: the server says 404 Not Found"):
        get(tmp_path / "root", published)
    assert not any(method == "GET" for method, _, _ in server.requests)
    server.files["/data/replace_att.json"] = b"{}"
    server.ways["/zips/val2017.zip"] = Ways(length=10**15)
    with pytest.raises(UserError, match=r"and the download needs 2,000,000,\S+ \(archives count twice"):
        get(tmp_path / "root", published)
    assert not any(method == "GET" for method, _, _ in server.requests)


def test_a_page_that_calls_itself_a_file(server, published, tmp_path):
    server.files["/data/swap_obj.json"] = b"\n<!DOCTYPE html><title>Sign in</title>"
    with pytest.raises(UserError, match=r"swap_obj.json is an HTML page"):
        get(tmp_path / "root", published)
    assert contents(tmp_path / "root") == {}


def test_a_server_that_is_not_there(published, tmp_path):
    entries = yaml.safe_load(published.read_text()) | {PICTURES: "http://127.0.0.1:9/val2017.zip"}
    with pytest.raises(UserError, match=r"the server is not reached \(\[Errno 111\] Connection refused\), 3 times"):
        get(tmp_path / "root", write_list(tmp_path, entries))


def test_digests_are_checked(server, tmp_path):
    content = zip_of(**{"1.jpg": b"1"})
    digest = hashlib.sha256(content).hexdigest()
    with pytest.raises(UserError, match=f"has the SHA-256 {digest}, and should have {'0' * 64}"):
        get_pictures(server, tmp_path, content, sha256="0" * 64)
    assert contents(tmp_path / "root") == {}
    assert get_pictures(server, tmp_path, content, sha256=digest.upper()) == {f"{PICTURES}/1.jpg": b"1"}


def linked_zip():
    link = zipfile.ZipInfo("val2017/1.jpg")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("val2017/0.jpg", b"0")
        archive.writestr(link, "/etc/passwd")
    return packed.getvalue()


def odd_tar(kind, target=""):
    odd = tarfile.TarInfo("val2017/1.jpg")
    odd.type, odd.linkname = kind, target
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.addfile(odd)
    return packed.getvalue()


def bomb(zipped):
    """An archive that says that it unpacks to more than any disk holds."""
    if not zipped:
        huge = tarfile.TarInfo("1.jpg")
        huge.size = 10**15
        return huge.tobuf(tarfile.GNU_FORMAT) + bytes(10240)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("1.jpg", b"1")
        archive.infolist()[0].file_size = 10**15
    return packed.getvalue()


@pytest.mark.parametrize(
    ("content", "suffix", "message"),
    [
        (zip_of(**{"../evil": b"x"}), "zip", 'is refused: its member "../evil" leads out of the folder'),
        (zip_of(**{"/evil": b"x"}), "zip", 'its member "/evil" leads out'),
        (zip_of(**{"a\\..\\..\\evil": b"x"}), "zip", "leads out"),
        (zip_of(**{"C:/evil": b"x"}), "zip", "leads out"),
        (tar_of(("a/../../evil", b"x")), "tar.gz", 'its member "a/../../evil" leads out'),
        (tar_of(("/evil", b"x"), mode="w"), "tar", 'its member "/evil" leads out'),
        (
            zip_of(**{"1.jpg/2.jpg": b"2", "1.jpg": b"1"}),
            "zip",
            '"1.jpg" cannot be made, since a file and a folder have',
        ),
        (
            zip_of(**{"1.jpg": b"1", "1.jpg/2.jpg": b"2"}),
            "zip",
            '"1.jpg/2.jpg" cannot be made, since a file and a folder have',
        ),
        (
            tar_of(("1.jpg", b"1"), ("1.jpg/2.jpg", b"2")),
            "tar.gz",
            '"1.jpg/2.jpg" cannot be made, since a file and a folder have',
        ),
        (
            tar_of(("1.jpg/2.jpg", b"2"), ("1.jpg", b"1")),
            "tar.gz",
            '"1.jpg" cannot be made, since a file and a folder have',
        ),
        (
            zip_of(**{"1" * 300: b"1"}),
            "zip",
            f'pictures.zip is refused: its member "{"1" * 60}" cannot be made, since its name is too',
        ),
        (tar_of(("1" * 300, b"1")), "tar.gz", f'"{"1" * 60}" cannot be made, since its name is too long'),
        (linked_zip(), "zip", 'its member "val2017/1.jpg" is a link or a device'),
        (odd_tar(tarfile.SYMTYPE, "/etc/passwd"), "tar", "is a link or a device"),
        (odd_tar(tarfile.LNKTYPE, "/etc/passwd"), "tar", "is a link or a device"),
        (odd_tar(tarfile.CHRTYPE), "tar", "is a link or a device"),
        (bomb(zipped=True), "zip", r"it unpacks to 1,000,000,000,000,000 bytes or more, and [\d,]+ are free"),
        (bomb(zipped=False), "tar", r"it unpacks to 1,000,000,000,000,000 bytes or more, and [\d,]+ are free"),
        (zip_of(**{"1.jpg": b"1" * 999})[:-40], "zip", r"pictures.zip cannot be unpacked \("),
        (tar_of(("1.jpg", os.urandom(9999)))[:-5000], "tar.gz", r"pictures.tar.gz cannot be unpacked \("),
        (zip_of(**{"train/1.jpg": b"1"}), "zip", "holds no val2017, but train; mend `member`"),
    ],
    ids=lambda value: "" if isinstance(value, bytes) else value,
)
def test_archives_that_are_refused(server, tmp_path, content, suffix, message):
    with pytest.raises(UserError, match=message):
        get_pictures(server, tmp_path, content, suffix, member="val2017")
    assert not (tmp_path / "root" / PICTURES).exists()
    assert not list(tmp_path.rglob("evil"))


def test_a_bad_archive_of_several_goes_alone(server, tmp_path):
    good = zip_of(**{"VG_100K_1/1.jpg": b"picture"})
    server.files |= {"/1.zip": good, "/2.zip": zip_of(**{"../evil": b"x"})}
    addresses = write_list(
        tmp_path, {"visual_genome/images": {"address": [f"{server.address}/{i}.zip" for i in (1, 2)]}}
    )
    given = {"crepe": {"annotations": "elsewhere"}}
    with pytest.raises(UserError, match=r"2.zip is refused: its member"):
        get(tmp_path / "root", addresses, "crepe", given=given)
    assert list(contents(tmp_path / "root").values()) == [good]
    server.files["/2.zip"] = zip_of(**{"VG_100K_2/2.jpg": b"picture"})
    get(tmp_path / "root", addresses, "crepe", given=given)
    assert [len(server.gets(f"/{i}.zip")) for i in (1, 2)] == [1, 2]
    assert set(contents(tmp_path / "root")) == {f"visual_genome/images/VG_100K_{i}/{i}.jpg" for i in (1, 2)}


def test_what_was_unpacked_whole_needs_neither_server_nor_room(server, tmp_path):
    content = zip_of(**{"val2017/1.jpg": b"1"})
    with pytest.raises(UserError, match="holds no other"):
        get_pictures(server, tmp_path, content, member="other")
    server.requests.clear()
    server.ways["/pictures.zip"] = Ways(length=10**15)
    assert get_pictures(server, tmp_path, b"", member="val2017") == {f"{PICTURES}/1.jpg": b"1"}
    assert server.requests == []


def test_no_redirection_leads_from_an_encrypted_address_to_another():
    follow = EncryptedStays().redirect_request
    for old, new in (("https://a/1", "https://b/1"), ("http://a/1", "http://b/1"), ("http://a/1", "https://b/1")):
        assert follow(Request(old), None, 302, "Found", {}, new).full_url == new
    with pytest.raises(UserError, match="https://a/1 leads to HTTP://a/1, which is not encrypted"):
        follow(Request("https://a/1"), None, 302, "Found", {}, "HTTP://a/1")
    assert any(isinstance(handler, EncryptedStays) for handler in opener().handlers)


PROGRAM = """
import sys
from pathlib import Path
from rebind.benchmarks import BENCHMARKS
from rebind.benchmarks.downloading import download
download({sys.argv[3]: BENCHMARKS[sys.argv[3]]}, Path(sys.argv[1]), {}, Path(sys.argv[2]))
"""


def test_killed_in_the_middle_it_continues_to_the_same_bytes(server, published, tmp_path):
    path, content = "/data/swap_obj.json", os.urandom(6 << 20)
    server.files[path], server.ways[path] = content, Ways(pause=0.01)
    words = ("-c", PROGRAM, tmp_path / "root", published, "sugarcrepe")
    process, partial = start(words), tmp_path / "root/sugarcrepe/.swap_obj.json.partial"
    while not (partial.exists() and partial.stat().st_size > 1 << 20):
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    assert 1 << 20 < partial.stat().st_size < len(content)
    run_to_the_end(words)
    first, second = server.gets(path)
    assert first == ""
    assert int(second.removeprefix("bytes=").removesuffix("-")) > 1 << 20
    assert contents(tmp_path / "root")["sugarcrepe/swap_obj.json"] == content
    assert not list((tmp_path / "root").rglob(".*"))


def serve_hub(server, files, gated=()):
    """The part of the Hugging Face hub that is needed for these files of datasets, OWNER/NAME/PATH -> content."""
    for name, content in files.items():
        owner, dataset, path = name.split("/", 2)
        api = f"/api/datasets/{owner}/{dataset}"
        server.files[f"{api}/auth-check"] = b"{}"
        row = {"type": "file", "path": path, "size": len(content), "oid": "0" * 40}
        server.json.setdefault(f"{api}/paths-info/main", []).append(row)
        server.json.setdefault(f"{api}/tree/main/{path.split('/')[0]}", []).append(row)
        server.files[f"/datasets/{owner}/{dataset}/resolve/main/{path}"] = content
    server.gated |= {f"/api/datasets/{name}/auth-check" for name in gated}


def test_datasets_of_the_hub(server, tmp_path):
    entries = {
        "mmvp_vlm/Questions.csv": "hf://datasets/MMVP/MMVP_VLM/Questions.csv",
        "mmvp_vlm/MLLM_VLM Images": "hf://datasets/MMVP/MMVP_VLM/MLLM_VLM Images/",
        "spec": "hf://datasets/wjpoom/SPEC/data.zip",
        "winoground/examples.jsonl": "hf://datasets/facebook/winoground/data/examples.jsonl",
        "winoground/images": "hf://datasets/facebook/winoground/data/images.zip",
    }
    files = {
        "MMVP/MMVP_VLM/Questions.csv": b"a,b",
        "MMVP/MMVP_VLM/MLLM_VLM Images/Color/1.jpg": b"1",
        "MMVP/MMVP_VLM/MLLM_VLM Images/Color/2.jpg": b"22",
        "wjpoom/SPEC/data.zip": zip_of(**{"data/count/1.jpg": b"1", "data/existence/1.jpg": b"2"}),
    }
    serve_hub(server, files, gated=["facebook/winoground"])
    program = PROGRAM.replace("download({", "for name in sys.argv[3:]:\n    download({").replace("sys.argv[3]", "name")
    words = ("-c", program, tmp_path / "root", write_list(tmp_path, entries), "mmvp_vlm", "spec", "winoground")
    process = start(words, HF_ENDPOINT=server.address, HF_HOME=str(tmp_path / "hub"), HF_HUB_DISABLE_XET="1")
    said = process.communicate(timeout=60)[0]
    assert contents(tmp_path / "root") == {
        "mmvp_vlm/Questions.csv": b"a,b",
        "mmvp_vlm/MLLM_VLM Images/Color/1.jpg": b"1",
        "mmvp_vlm/MLLM_VLM Images/Color/2.jpg": b"22",
        "spec/count/1.jpg": b"1",
        "spec/existence/1.jpg": b"2",
    }
    assert "MLLM_VLM Images/: 3 bytes in 2 files → " in said
    assert said.splitlines()[-1].endswith(
        "facebook/winoground is given to those who accept its licence: accept it at "
        "https://huggingface.co/datasets/facebook/winoground, set HF_TOKEN to an access token of yours, "
        "and run the command again"
    )


def test_a_disk_that_refuses_a_dataset_of_the_hub_is_named(server, tmp_path):
    serve_hub(server, {"MMVP/MMVP_VLM/Questions.csv": b"a,b"})
    entries = {"mmvp_vlm/Questions.csv": "hf://datasets/MMVP/MMVP_VLM/Questions.csv"}
    place = tmp_path / "root/mmvp_vlm"
    (place / "MLLM_VLM Images").mkdir(parents=True)
    (place / ".Questions.csv.hub").write_text("a file")
    words = ("-c", PROGRAM, tmp_path / "root", write_list(tmp_path, entries), "mmvp_vlm")
    process = start(words, HF_ENDPOINT=server.address, HF_HOME=str(tmp_path / "hub"), HF_HUB_DISABLE_XET="1")
    assert f"UserError: cannot write {place}/.Questions.csv.hub: " in process.communicate(timeout=60)[0]


@pytest.fixture
def rebind(monkeypatch, capfd):
    return CommandLine(monkeypatch, capfd)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    build_encoders(folder)["clip"].save(folder / "clip")
    return folder / "clip"


def test_the_flag_fetches_and_then_evaluates(rebind, server, published, model, tmp_path):
    words = ("eval", model, "--benchmark", "sugarcrepe", "--out", tmp_path / "out")
    assert rebind.refuses(*words, "--download") == (
        "--download needs --data-root ROOT, the folder below which it lays the files"
    )
    assert "--data-root ROOT" in rebind.refuses("reproduce", "siglip-b16/sugarcrepe", "--download")
    words = (*words, "--data-root", tmp_path / "root")
    assert rebind.refuses(*words).endswith(
        "https://cocodataset.org; or add --download (8 files from raw.githubusercontent.com and images.cocodataset.org)"
    )
    assert server.requests == []
    said = rebind.succeeds(*words, "--download", "--addresses", published)
    assert f"{server.address}/zips/val2017.zip: {len(server.files['/zips/val2017.zip']):,} bytes" in said
    scores = json.loads((tmp_path / "out/results.json").read_text())["scores"]
    assert {(row["split"], row["n"]) for row in scores} >= {("swap_obj", 4), ("replace_att", 4)}
    server.requests.clear()
    assert "Total" not in rebind.succeeds(*words, "--download", "--addresses", published)
    assert server.requests == []


def test_what_cannot_be_downloaded_is_said_before_anything_is_fetched(rebind, server, published, model, tmp_path):
    words = ("eval", model, "--out", tmp_path / "out", "--data-root", tmp_path / "root", "--download")
    refusal = rebind.refuses(*words, "--addresses", published, "--benchmark", "sugarcrepe,imagenet")
    assert refusal == (
        f"benchmark imagenet: {tmp_path}/root/imagenet/val cannot be downloaded for you, so nothing was; get it from "
        f"{BENCHMARKS['imagenet'].source}"
    )
    assert server.requests == []
    assert not (tmp_path / "root").exists()
    refusal = rebind.refuses(*words, "--benchmark", "labelled_dataset,flickr30k", "--data", "no-one/nothing")
    assert "flickr30k/images cannot be downloaded for you, so nothing was" in refusal
    refusal = rebind.refuses(*words, "--addresses", published, "--benchmark", "sugarcrepe,foils")
    assert refusal.startswith('benchmark foils needs "annotations"')
    assert server.requests == []
    assert "did you mean sugarcrepe" in rebind.refuses(*words, "--benchmark", "sugarcrep")


def test_what_an_evaluation_lacks_besides_files_is_said_first(rebind, server, model, tmp_path, monkeypatch):
    monkeypatch.setattr("rebind.benchmarks.class_names.find_spec", lambda name: None)
    places = ("imagenet_r/imagenet-r", "coco/coco_karpathy_test.json", "coco/val2014")
    entries = {place: f"{server.address}/{place}" for place in places}
    words = ("eval", model, "--out", tmp_path / "out", "--data-root", tmp_path, "--download")
    words = (*words, "--addresses", write_list(tmp_path, entries), "--benchmark")
    assert "names of classes of ImageNet do not come with rebind" in rebind.refuses(*words, "imagenet_r")
    (tmp_path / "imagenet").mkdir()
    (tmp_path / "imagenet/classes.json").write_text('{"n01": "a fish"}')
    assert "templates of ImageNet do not come with rebind" in rebind.refuses(*words, "imagenet_r")
    monkeypatch.setitem(sys.modules, "spacy", None)
    assert "shuffle words with spaCy and NLTK" in rebind.refuses(*words, "aro_coco_order")
    sentence = rebind.refuses(
        words[0], f"precomputed:{tmp_path}/no.npz", *words[2:], "sugarcrepe", "--concept-attention=10"
    )
    assert "gives no image tokens" in sentence
    assert server.requests == []
    assert not (tmp_path / "out").exists()


def test_the_sentence_offers_a_download_only_where_there_is_one(tmp_path):
    for name, offer in {
        "sugarcrepe": "8 files from raw.githubusercontent.com and images.cocodataset.org",
        "sugarcrepe++_text": "5 files from raw.githubusercontent.com",
        "winoground": "2 files from huggingface.co",
        "mmvp_vlm": "1 file and 1 folder from huggingface.co",
        "imagenet_a": "1 file from people.eecs.berkeley.edu",
    }.items():
        with pytest.raises(UserError) as error:
            build_benchmark(name, tmp_path)
        assert str(error.value).endswith(f"; or add --download ({offer})")
        with pytest.raises(UserError) as error:
            build_benchmark(name)
        assert str(error.value).endswith(f"; or add --data-root ROOT --download ({offer})")
        assert describe(name).endswith(f"\n  --download: {offer}")
    for name in ("flickr30k", "imagenet", "valse", "svo_probes", "aro_vg_relation", "whatsup_coco", "world", "foils"):
        with pytest.raises(UserError) as error:
            build_benchmark(name, tmp_path)
        assert "--download" not in str(error.value) + describe(name)
    with pytest.raises(UserError) as error:
        build_benchmark("sugarcrepe", tmp_path, images=tmp_path / "elsewhere")
    assert str(error.value).endswith("; or add --download (7 files from raw.githubusercontent.com)")


def test_every_address_of_the_package_serves_a_benchmark():
    sources = read_sources()
    served = {source for kind in BENCHMARKS.values() for source in missing(kind, sources).sources}
    assert served == set(sources)
    assert len(sources) == len({source.place for source in sources})
    whole = [name for name, kind in BENCHMARKS.items() if missing(kind, sources).offer]
    assert len(whole) >= 14
    assert missing(BENCHMARKS["flickr30k"], sources).elsewhere == ("flickr30k/images",)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("file:///etc/passwd", "sugarcrepe: an address must begin with one of http://, https://, hf://datasets/"),
        ("hf://datasets/facebook/winoground", "must be hf://datasets/OWNER/NAME/PATH"),
        ({"adress": "http://a/b"}, '"adress" is not one of address, files, member, sha256'),
        ({"address": "http://a/b", "files": ["../b"]}, '"../b" must not lead out of the folder'),
        ({"address": "http://a/b.zip", "member": "/b"}, '"/b" must not lead out'),
        ({"address": ["http://a/b", "http://a/c"]}, "several addresses must be those of archives"),
        ({"files": ["b"]}, "expected an address"),
        (3, "expected an address"),
    ],
)
def test_what_is_wrong_in_a_list_of_addresses(tmp_path, entry, message):
    with pytest.raises(UserError, match=message):
        read_sources(write_list(tmp_path, {"sugarcrepe": entry}))


def test_a_list_of_addresses_that_is_none(tmp_path):
    with pytest.raises(UserError, match="cannot read the list of addresses"):
        read_sources(tmp_path / "none.yaml")
    with pytest.raises(UserError, match="must hold a mapping"):
        read_sources(write_list(tmp_path, ["http://a/b"]))
