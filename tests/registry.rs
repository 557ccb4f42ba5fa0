//! What Rust, the kernels and their documentation must agree on.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use invnet::device::gpu::launch::FAMILIES;

#[cfg(feature = "simt")]
#[test]
fn parameter_structs_have_the_same_layout_on_both_sides() {
    let rust = invnet::device::gpu::params::layout();
    let c = invnet::device::gpu::simt::layout();
    assert!(rust.len() > 50);
    assert_eq!(rust, c);
}

/// The text of every file of kernels, by its name.
fn kernel_files() -> Vec<(String, String)> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("kernels");
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let sources = entries.filter(|path| path.extension().is_some_and(|e| e == "cu" || e == "cuh"));
    let name = |path: &std::path::Path| path.file_name().unwrap().to_string_lossy().into_owned();
    sources.map(|path| (name(&path), std::fs::read_to_string(&path).unwrap())).collect()
}

#[test]
fn every_parameter_is_read_by_a_kernel() {
    let files = kernel_files();
    // `.member` where a struct of that name is known; params.cuh itself reads what `walk` walks over.
    let reads = |text: &str, member: &str| {
        text.match_indices(&format!(".{member}")).any(|(at, found)| {
            !text[at + found.len()..].starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        })
    };
    for (row, ..) in invnet::device::gpu::params::layout() {
        let Some((name, member)) = row.split_once('.') else { continue };
        let read = files.iter().any(|(_, text)| text.contains(name) && reads(text, member));
        assert!(read, "{row} is read by no kernel");
    }
}

#[test]
fn no_file_of_kernels_is_long() {
    let files = kernel_files();
    assert!(files.len() > 25);
    for (name, text) in files {
        let lines = text.lines().count();
        assert!(lines <= 300, "kernels/{name} has {lines} lines, more than 300");
    }
}

#[test]
fn kernels_have_names_of_their_own_and_whole_warps() {
    let mut names = BTreeSet::new();
    for family in FAMILIES {
        assert!(!family.kernels.is_empty(), "{}.cu has no kernel", family.name);
        for kernel in family.kernels {
            assert!(names.insert(kernel.name), "two kernels named {}", kernel.name);
            assert!(kernel.threads % 32 == 0 && kernel.threads <= 1024, "{}", kernel.name);
        }
    }
}

#[test]
fn every_kernel_has_a_row_in_the_table() {
    let table = include_str!("../kernels/README.md");
    for family in FAMILIES {
        for kernel in family.kernels {
            assert!(table.contains(&format!("`{}`", kernel.name)), "kernels/README.md lacks {}", kernel.name);
        }
        assert!(table.contains(&format!("{}.cu", family.name)), "kernels/README.md lacks {}.cu", family.name);
    }
}

/// Tests hold what the letters say, of every kernel.
#[test]
fn every_row_says_what_its_kernel_has_passed() {
    let table = include_str!("../kernels/README.md");
    for kernel in FAMILIES.iter().flat_map(|family| family.kernels) {
        let row = table.lines().find(|line| line.starts_with(&format!("| `{}` |", kernel.name)));
        assert!(row.is_some_and(|row| row.contains("| POSND |")), "{}: {row:?}", kernel.name);
    }
}

#[test]
fn every_family_says_what_it_computes_and_what_bounds_it() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("kernels");
    for family in FAMILIES {
        let text = std::fs::read_to_string(folder.join(format!("{}.cu", family.name))).unwrap();
        let top: String = text.lines().take_while(|l| l.starts_with("//")).collect();
        for part in ["Launch:", "Traffic:", "bound", "Order:"] {
            assert!(top.contains(part), "{}.cu does not say {part}", family.name);
        }
    }
}

/// Where a card starts a kernel while the one before it runs, nothing else keeps it from that one's memory. Reads through
/// what is said to be constant may be moved before the wait.
#[test]
fn every_kernel_begins_by_waiting_for_the_one_before() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("kernels");
    for family in FAMILIES {
        let text = std::fs::read_to_string(folder.join(format!("{}.cu", family.name))).unwrap();
        for kernel in family.kernels {
            let (file, name) = (family.name, kernel.name);
            // By itself, or as a row of a table, whose word says what such a kernel does.
            let alone = text.split_once(&format!(") {name}("));
            let (_, rest) = alone.unwrap_or_else(|| {
                let row = text.lines().find(|line| line.contains(&format!("), {name},"))).unwrap();
                let word = row.split('(').next().unwrap();
                family.source.split_once(&format!("#define {word}(")).unwrap()
            });
            let first = rest.split_once('{').unwrap().1.trim_start_matches(['\\', ' ', '\n']);
            assert!(
                first.starts_with("begin_kernel();"),
                "{file}.cu: {name} does not begin with begin_kernel()"
            );
        }
        for line in family.source.lines().filter(|line| !line.trim_start().starts_with("//")) {
            let constant = ["__restrict", "__ldg", "ld.global.nc"].iter().any(|word| line.contains(word));
            assert!(!constant, "{}.cu: {line}", family.name);
        }
    }
}

/// A property that nobody can look up might as well not be there.
#[test]
fn every_property_is_documented_with_its_keys() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |file: &str| std::fs::read_to_string(root.join(file)).unwrap();
    let (table, formula) = (read("docs/properties.md"), read("docs/formula.md"));
    for kind in invnet::invariance::KINDS {
        if kind.name == "formula" {
            // Its page shows each in a configuration.
            assert!(kind.keys.iter().all(|key| formula.contains(&format!("{} = \"", key.name))));
            continue;
        }
        let row = table.lines().find(|line| line.starts_with(&format!("| `{}` |", kind.name)));
        let row = row.unwrap_or_else(|| panic!("docs/properties.md has no row of {}", kind.name));
        for key in kind.keys {
            assert!(row.contains(&format!("`{}`", key.name)), "{} without its key {}", kind.name, key.name);
        }
    }
}

/// Rust files of a folder and the folders in it.
fn sources(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let (folders, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    let inner = folders.iter().flat_map(|folder| sources(folder));
    files.into_iter().filter(|path| path.extension().is_some_and(|e| e == "rs")).chain(inner).collect()
}

#[test]
fn no_import_runs_upward() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("ARCHITECTURE.md")).unwrap();
    let table = page.split("## ").find(|part| part.starts_with("Floors")).unwrap();
    // The first cell of a row names the rooms of a floor.
    let rooms = |row: &str| -> Vec<String> {
        let names = row.split('|').nth(1).unwrap_or_default().split('`').skip(1).step_by(2);
        names.map(|name| name.trim_end_matches('/').trim_end_matches(".rs").to_owned()).collect()
    };
    let floors: Vec<Vec<String>> = table.lines().map(rooms).filter(|rooms| !rooms.is_empty()).collect();
    let floor = |room: &str| floors.iter().position(|rooms| rooms.iter().any(|r| r == room));
    let mut seen = 0;
    for path in sources(&root.join("src")) {
        let inside = path.strip_prefix(root.join("src")).unwrap();
        // A room within a room is on a floor of its own: the innermost counts.
        let name = |path: &std::path::Path| path.to_string_lossy().trim_end_matches(".rs").replace('\\', "/");
        let Some((room, here)) = inside.ancestors().find_map(|p| Some((name(p), floor(&name(p))?))) else {
            let known = ["lib.rs", "main.rs", "error.rs"];
            assert!(
                known.iter().any(|file| inside == std::path::Path::new(file)),
                "ARCHITECTURE.md lacks {}",
                inside.display()
            );
            continue;
        };
        let text = std::fs::read_to_string(&path).unwrap();
        // Tests of a room may use any other, and so may its comments.
        let code = text.split("#[cfg(test)]").next().unwrap();
        for line in code.lines().filter(|line| !line.trim_start().starts_with("//")) {
            for name in line.split("crate::").skip(1) {
                let name = name.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap();
                let Some(there) = floor(name) else { continue };
                assert!(there <= here, "{}: {} is above {room}", inside.display(), line.trim());
                seen += 1;
            }
        }
    }
    assert!(seen > 300, "{seen} imports");
}
