//! Upper layers no honest program leaves. What is refused is refused at capture already.
//! Whatever is captured is merged as well, so that a hole in one is not hidden by the other.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use rustix::fs::FileType;
use workspace::{CaptureLimits, Layers, MemoryBlobs, capture};

use super::support::{Scene, Tree, borrowed, mode};
use super::{Row, through, told};

/// A row whose upper layer is filled over a small project.
fn row(name: &'static str, expect: Option<&'static str>, fill: fn(&Tree)) -> Row {
    let attack = move |scene: &Scene| {
        let project = scene.project();
        project.file("kept", "kept\n");
        project.file("folder/a", "a\n");
        project.file("README", "readme\n");
        fill(&scene.upper());
        let before = project.picture();
        let result = through(scene);
        if result.is_err() {
            assert_eq!(project.picture(), before, "{name}: refused, and yet the project changed");
        }
        result
    };
    Row::new(name, expect, attack)
}

fn limited(
    name: &'static str,
    expect: &'static str,
    limits: CaptureLimits,
    fill: fn(&Tree),
) -> Row {
    Row::new(name, Some(expect), move |scene: &Scene| {
        fill(&scene.upper());
        scene.capture_within(&limits).map(|_| ()).map_err(told)
    })
}

fn raw(name: &'static [u8]) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(name))
}

pub fn rows() -> Vec<Row> {
    let mut rows = names();
    rows.extend(links());
    rows.extend(kinds());
    rows.extend(marks());
    rows.extend(sizes());
    rows
}

fn names() -> Vec<Row> {
    let control = Some("control character");
    let unseen = Some("nobody can see");
    let trailing = Some("ends with a dot or a space");
    let reserved = Some("belongs to the project's own state");
    let same = Some("is the same name");
    vec![
        row("line break in a name", control, |upper| drop(upper.file("a\n+++ b/x", "1"))),
        row("escape sequence in a name", control, |upper| drop(upper.file("\u{1b}[2J", "1"))),
        row("carriage return in a name", control, |upper| drop(upper.file("safe\rbad", "1"))),
        row("delete character in a name", control, |upper| drop(upper.file("a\u{7f}", "1"))),
        row("control character of two bytes", control, |upper| drop(upper.file("a\u{9b}m", "1"))),
        row("control character in a folder", control, |upper| drop(upper.file("d\t/x", "1"))),
        row("name that is not UTF-8", Some("not UTF-8"), |upper| {
            upper.file(raw(b"caf\xe9"), "1");
        }),
        row("overlong slash", Some("not UTF-8"), |upper| drop(upper.file(raw(b"..\xc0\xaf"), "1"))),
        row("text turned around", unseen, |upper| drop(upper.file("a\u{202e}txt.exe", "1"))),
        row("name of no width", unseen, |upper| drop(upper.file(".g\u{200c}it/config", "1"))),
        row("byte order mark", unseen, |upper| drop(upper.file("\u{feff}.envrc", "1"))),
        row("tag characters", unseen, |upper| drop(upper.file("a\u{e0041}", "1"))),
        row("trailing dot", trailing, |upper| drop(upper.file(".git./config", "1"))),
        row("trailing space", trailing, |upper| drop(upper.file(".envrc ", "1"))),
        row("three dots", trailing, |upper| drop(upper.file(".../x", "1"))),
        row("own state", reserved, |upper| drop(upper.file(".palisade/policy.yaml", "allow"))),
        row("own state deeper", reserved, |upper| drop(upper.file("folder/.palisade/x", "1"))),
        row("own state in capitals", reserved, |upper| drop(upper.file(".PALISADE/x", "1"))),
        row("own state by another s", reserved, |upper| drop(upper.file(".pali\u{17f}ade/x", "1"))),
        row("own state as a link", reserved, |upper| drop(upper.link(".palisade", "folder"))),
        row("same name by case", same, |upper| drop(upper.file("ReadMe", "1"))),
        row("same names by case, both new", same, |upper| {
            upper.file("New", "1");
            upper.file("nEW", "2");
        }),
        row("same name by composition", same, |upper| {
            upper.file("caf\u{e9}", "1");
            upper.file("cafe\u{301}", "2");
        }),
        row("same name by sharp s", same, |upper| {
            upper.file("stra\u{df}e", "1");
            upper.file("STRASSE", "2");
        }),
        row("link beside a folder of the same name", same, |upper| {
            upper.link("FOLDER", ".");
        }),
        row("many odd names at once", Some("100 entries or more"), |upper| {
            (0..150).for_each(|number| drop(upper.file(format!("a\n{number}"), "1")));
        }),
    ]
}

fn links() -> Vec<Row> {
    let out = Some("leads out of the project");
    vec![
        row("absolute link", out, |upper| drop(upper.link("l", "/etc/passwd"))),
        row("link to the root", out, |upper| drop(upper.link("l", "/"))),
        row("link up and out", out, |upper| drop(upper.link("l", "../outside/sentinel"))),
        row("link far up", out, |upper| drop(upper.link("folder/l", "../../../../../../tmp"))),
        row("link out through a folder", out, |upper| {
            upper.link("l", "folder/../../outside");
        }),
        row("link out through a missing name", out, |upper| {
            drop(upper.link("l", "no/../../outside"))
        }),
        row("two links that lead out together", out, |upper| {
            upper.link("folder/up", "..");
            upper.link("l", "folder/up/../outside");
        }),
        row("link through itself", None, |upper| drop(upper.link("l", "l"))),
        row("link into the system's view of processes", out, |upper| {
            upper.link("l", "/proc/self/root");
        }),
        row("link with a line break", Some("not plain text"), |upper| {
            upper.link("l", "a\nb");
        }),
        row("link that is not UTF-8", Some("not plain text"), |upper| {
            upper.link("l", raw(b"\xff"));
        }),
        Row::new("link out through a link of the project", out, |scene| {
            scene.project().link("vendor", "../outside");
            scene.upper().link("l", "vendor/sentinel");
            through(scene)
        }),
    ]
}

fn kinds() -> Vec<Row> {
    let bits = Some("has a setuid, setgid or sticky bit");
    let mut rows = vec![
        row("setuid program", bits, |upper| drop(upper.file_mode("p", "1", 0o4755))),
        row("setgid program", bits, |upper| drop(upper.file_mode("p", "1", 0o2755))),
        row("sticky folder", bits, |upper| drop(upper.folder_mode("d", 0o1777))),
        row("setuid over a file of the project", bits, |upper| {
            upper.file_mode("kept", "kept\n", 0o4755);
        }),
        row("FIFO", Some("is a FIFO"), |upper| drop(upper.node("p", FileType::Fifo, 0))),
        row("FIFO over a file", Some("is a FIFO"), |upper| {
            upper.node("kept", FileType::Fifo, 0);
        }),
        row("socket", Some("is a socket"), |upper| {
            drop(UnixListener::bind(upper.at("s")).expect("a socket"));
        }),
        row(
            "file nobody may read",
            Some(if super::support::is_root() { "" } else { "cannot be read" }),
            |upper| {
                upper.file_mode("locked", "1", 0o000);
                // Root reads anything, so this row has to be refused by something else there.
                if super::support::is_root() {
                    upper.file("a\n", "1");
                }
            },
        ),
    ];
    if super::support::is_root() {
        rows.push(row("character device", Some("is a device"), |upper| {
            upper.node("mem", FileType::CharacterDevice, rustix::fs::makedev(1, 1));
        }));
        rows.push(row("block device", Some("is a device"), |upper| {
            upper.node("disk", FileType::BlockDevice, rustix::fs::makedev(8, 0));
        }));
    }
    rows
}

fn marks() -> Vec<Row> {
    let elsewhere = Some("takes content or names from elsewhere");
    vec![
        row("redirected folder", elsewhere, |upper| {
            upper.folder("d");
            upper.mark("d", "redirect", b"/../../etc");
        }),
        row("file of metadata only", elsewhere, |upper| {
            upper.file("kept", "");
            upper.mark("kept", "metacopy", b"");
        }),
        row("redirected file", elsewhere, |upper| {
            upper.file("kept", "");
            upper.mark("kept", "redirect", b"/etc/shadow");
        }),
        row("whiteout by attribute that is none", elsewhere, |upper| {
            upper.file("kept", "not empty");
            upper.mark("kept", "whiteout", b"y");
        }),
        row("whiteout by attribute in a folder that says nothing", elsewhere, |upper| {
            upper.file("kept", "");
            upper.mark("kept", "whiteout", b"y");
        }),
        row("whole workspace opaque", elsewhere, |upper| upper.mark("", "opaque", b"y")),
        row("opaque mark of an unknown value", elsewhere, |upper| {
            upper.folder("folder");
            upper.mark("folder", "opaque", b"z");
        }),
        row("long opaque mark", elsewhere, |upper| {
            upper.folder("folder");
            upper.mark("folder", "opaque", &[b'y'; 200]);
        }),
        row("whiteout of own state", Some("belongs to the project's own state"), |upper| {
            upper.whiteout(".palisade");
        }),
        Row::new("deleted folder that holds own state", Some("own state"), |scene| {
            scene.project().file("sub/.palisade/palisade.db", "1");
            scene.upper().whiteout("sub");
            through(scene)
        }),
        Row::new("deleted folder that holds a FIFO", Some("what the project has there"), |scene| {
            scene.project().node("sub/pipe", FileType::Fifo, 0);
            scene.upper().whiteout("sub");
            through(scene)
        }),
        Row::new("deleted link with an odd target", Some("what the project has there"), |scene| {
            scene.project().link("odd", "a\nb");
            scene.upper().whiteout("odd");
            through(scene)
        }),
        Row::new("opaque folder over a folder of links out", None, |scene| {
            scene.project().link("vendor/out", "../../outside");
            scene.project().link("vendor/abs", "/");
            scene.upper().opaque("vendor");
            through(scene)
        }),
        Row::new("whiteout of a link out", None, |scene| {
            scene.project().link("out", "../outside");
            scene.upper().whiteout("out");
            through(scene)
        }),
        Row::new("folder in the place of a link out", None, |scene| {
            scene.project().link("out", "../outside/folder");
            scene.upper().opaque("out");
            scene.upper().file("out/a", "written");
            through(scene)
        }),
        Row::new("file in the place of a link out", None, |scene| {
            scene.project().link("out", "../outside/sentinel");
            scene.upper().file("out", "written");
            through(scene)
        }),
        Row::new("hard link to a file outside", None, |scene| {
            let secret = scene.outside().at("sentinel");
            fs::hard_link(secret, scene.upper().at("copy")).expect("a hard link");
            through(scene)
        }),
    ]
}

fn sizes() -> Vec<Row> {
    let limits = CaptureLimits { total_bytes: 4 << 20, ..CaptureLimits::default() };
    vec![
        row("sparse file of a tebibyte", Some("more than the limit of one file"), |upper| {
            let file = fs::File::create(upper.at("sparse")).expect("a file");
            file.set_len(1 << 40).expect("a hole");
        }),
        limited("many sparse files", "more than 4194304 bytes", limits, |upper| {
            for number in 0..5 {
                let file = fs::File::create(upper.at(number.to_string())).expect("a file");
                file.set_len(1 << 20).expect("a hole");
            }
        }),
        limited("more entries than allowed", "more than 100 entries", few(), |upper| {
            (0..101).for_each(|number| drop(upper.file(number.to_string(), "")));
        }),
        limited("more folders than allowed", "more than 100 entries", few(), |upper| {
            (0..51).for_each(|number| drop(upper.file(format!("{number}/x"), "")));
        }),
        row("deeper than allowed", Some("deeper than 64 names"), |upper| {
            upper.file(["d"; 64].join("/") + "/x", "1");
        }),
        row("path longer than can be opened", Some("longer than"), |upper| {
            let name = "n".repeat(250);
            upper.folder([name.as_str(); 16].join("/"));
        }),
        row("name as long as can be", None, |upper| drop(upper.file("n".repeat(255), "1"))),
        Row::new("project changed while the program ran", Some("while the program ran"), |scene| {
            scene.project().file("a", "by hand");
            scene.upper().file("a", "by the program");
            let (over, under) = (scene.upper().open(), scene.project().open());
            let began = Some(std::time::SystemTime::UNIX_EPOCH);
            let layers = Layers { upper: borrowed(&over), lower: borrowed(&under), began };
            let mut blobs = MemoryBlobs::default();
            let changes = capture(&layers, &CaptureLimits::default(), &mut blobs).map_err(told)?;
            super::merged(scene, &changes, &blobs)
        }),
        Row::new(
            "folder nobody may open",
            Some(if super::support::is_root() { "FIFO" } else { "cannot be read" }),
            |scene| {
                let locked = scene.upper().folder("locked");
                scene.upper().node("locked/pipe", FileType::Fifo, 0);
                mode(&locked, 0o000);
                through(scene)
            },
        ),
    ]
}

fn few() -> CaptureLimits {
    CaptureLimits { entries: 100, ..CaptureLimits::default() }
}
