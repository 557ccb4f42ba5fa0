//! Prepares the kernels: one flattened source per family for NVRTC, a list of the kernels in it,
//! and, with the feature `simt`, the same sources compiled for this machine's processor.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// A family of kernels: the file's stem, its flattened source, and (name, threads) of each kernel.
struct Family {
    name: String,
    source: String,
    kernels: Vec<(String, u32)>,
}

fn main() {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("kernels");
    let out = PathBuf::from(env::var("OUT_DIR").expect("cargo sets it"));
    println!("cargo:rerun-if-changed=kernels");
    let mut files: Vec<PathBuf> = fs::read_dir(&root)
        .expect("kernels/ is part of the source")
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|e| e == "cu"))
        .collect();
    files.sort();
    let families: Vec<Family> = files.iter().map(|file| family(&root, file)).collect();
    write_list(&out, &families);
    let generated = write_host_sources(&root, &out, &families);
    compile_for_host(&root, &out, &generated);
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn family(root: &Path, file: &Path) -> Family {
    let mut source = String::new();
    flatten(root, file, &mut BTreeSet::new(), &mut source);
    let kernels = read(file).lines().filter_map(kernel).collect();
    Family { name: stem(file), source, kernels }
}

fn stem(file: &Path) -> String {
    file.file_stem().expect("a file has a name").to_string_lossy().into_owned()
}

/// Name and threads of the kernel that a line begins: `KERNEL(threads) name(...`, `KERNEL(threads, blocks) name(...`, or a
/// row of a table, `WORD((threads), name, ...)`.
fn kernel(line: &str) -> Option<(String, u32)> {
    let (word, rest) = line.split_once('(')?;
    let (bounds, name) = match rest.strip_prefix('(') {
        None if word == "KERNEL" => rest.split_once(") ")?,
        Some(row) if word.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_') => {
            row.split_once("), ")?
        }
        _ => return None,
    };
    let name = name.split(['(', ',']).next()?;
    let threads = bounds.split(',').next()?;
    let threads = threads.parse().unwrap_or_else(|_| panic!("{line}: threads must be a number"));
    Some((name.to_owned(), threads))
}

/// Appends a file with its `.cuh` includes in place; `#line` keeps compilers' messages true. The
/// host runtime stays an include: NVRTC never reaches it.
fn flatten(root: &Path, file: &Path, seen: &mut BTreeSet<PathBuf>, out: &mut String) {
    if !seen.insert(file.to_path_buf()) {
        return;
    }
    let name = file.file_name().expect("a file has a name").to_string_lossy();
    writeln!(out, "#line 1 \"kernels/{name}\"").expect("writing to a string");
    for (number, line) in read(file).lines().enumerate() {
        let included = line.strip_prefix("#include \"").and_then(|rest| rest.strip_suffix("\""));
        match included {
            Some(header) if header.ends_with(".cuh") => {
                flatten(root, &root.join(header), seen, out);
                writeln!(out, "#line {} \"kernels/{name}\"", number + 2).expect("writing to a string");
            }
            _ if line.trim() == "#pragma once" => out.push('\n'),
            _ => {
                out.push_str(line);
                out.push('\n');
            }
        }
    }
}

/// `families.rs`: every family with its source and kernels.
fn write_list(out: &Path, families: &[Family]) {
    let mut list = String::from("&[\n");
    for family in families {
        fs::write(out.join(format!("{}.cu", family.name)), &family.source).expect("OUT_DIR is writable");
        let source = out.join(format!("{}.cu", family.name));
        writeln!(list, "Family {{ name: {:?}, source: include_str!({source:?}), kernels: &[", family.name)
            .expect("writing to a string");
        for (name, threads) in &family.kernels {
            writeln!(list, "Kernel {{ name: {name:?}, threads: {threads} }},").expect("writing to a string");
        }
        list.push_str("] },\n");
    }
    list.push_str("]\n");
    fs::write(out.join("families.rs"), list).expect("OUT_DIR is writable");
}

/// C++ files for the host: each family with a table of its kernels, and the layout of the
/// parameter structs.
fn write_host_sources(root: &Path, out: &Path, families: &[Family]) -> Vec<PathBuf> {
    let folder = out.join("host");
    fs::create_dir_all(&folder).expect("OUT_DIR is writable");
    let mut files = Vec::new();
    let mut write = |name: String, text: String| {
        let path = folder.join(name);
        // An unchanged file keeps its time.
        if fs::read_to_string(&path).ok().as_deref() != Some(&text) {
            fs::write(&path, text).expect("OUT_DIR is writable");
        }
        files.push(path);
    };
    let (mut declared, mut listed) = (String::new(), String::new());
    for family in families {
        let mut text = family.source.clone();
        writeln!(text, "#line 1 \"table\"\nextern const simt::Kernel simt_family_{}[] = {{", family.name)
            .expect("writing to a string");
        for (name, threads) in &family.kernels {
            writeln!(text, "    SIMT_KERNEL({name}, {threads}),").expect("writing to a string");
        }
        text.push_str("    {},\n};\n");
        write(format!("{}.cpp", family.name), text);
        writeln!(declared, "extern const simt::Kernel simt_family_{}[];", family.name).expect("writing");
        writeln!(listed, "    simt_family_{},", family.name).expect("writing");
    }
    write("registry.cpp".into(), registry(&declared, &listed, &layout(&read(&root.join("params.cuh")))));
    for file in ["runtime.cpp", "fiber.cpp"] {
        files.push(root.join("host").join(file));
    }
    files
}

fn registry(declared: &str, listed: &str, layout: &str) -> String {
    format!(
        r#"#include "params.cuh"
{declared}
static const simt::Kernel* const families[] = {{
{listed}}};

extern "C" const simt::Kernel* simt_kernel(const char* name) {{
    for (const simt::Kernel* family : families)
        for (const simt::Kernel* kernel = family; kernel->name; ++kernel)
            if (!std::strcmp(kernel->name, name)) return kernel;
    return nullptr;
}}

// "struct.member offset bytes" of every member, one a line; "struct bytes" at the end of each.
static const struct {{ const char* name; std::size_t offset, bytes; }} members[] = {{
{layout}}};

extern "C" std::size_t simt_layout(std::size_t i, const char** name, std::size_t* offset) {{
    if (i >= sizeof members / sizeof *members) return 0;
    *name = members[i].name;
    *offset = members[i].offset;
    return members[i].bytes;
}}
"#
    )
}

/// Rows of the layout table, from the declarations in params.cuh: `type name;` or `type name[N];`.
fn layout(params: &str) -> String {
    let mut rows = String::new();
    let mut inside = None;
    for line in params.lines() {
        let line = line.split("//").next().unwrap_or("").trim();
        if let Some(name) = line.strip_prefix("struct ").and_then(|l| l.strip_suffix(" {")) {
            inside = Some(name.to_owned());
        } else if line == "};" {
            let name = inside.take().expect("a struct is open");
            writeln!(rows, "    {{\"{name}\", 0, sizeof({name})}},").expect("writing to a string");
        } else if let (Some(name), Some(member)) = (&inside, line.strip_suffix(';')) {
            let member = member.split(' ').nth(1).expect("type and name");
            let member = member.split('[').next().expect("a name");
            writeln!(
                rows,
                "    {{\"{name}.{member}\", offsetof({name}, {member}), sizeof({name}::{member})}},"
            )
            .expect("writing to a string");
        }
    }
    rows
}

#[cfg(not(feature = "simt"))]
fn compile_for_host(_root: &Path, _out: &Path, _files: &[PathBuf]) {}

#[cfg(feature = "simt")]
fn compile_for_host(root: &Path, out: &Path, files: &[PathBuf]) {
    // Products and sums stay apart: contraction is the device compiler's choice, not the source's.
    cc::Build::new()
        .cpp(true)
        .std("c++17")
        .opt_level(2)
        .flag("-ffp-contract=off")
        .flag("-fno-strict-aliasing")
        // A product whose loop may run no step looks to the compiler as if it used nothing.
        .flag("-Wno-maybe-uninitialized")
        .include(root)
        .files(files)
        .compile("invnet_simt");
    // What the sanitizer tests compile again, with their own flags, and what changed kernels and
    // the stand-in driver are linked with.
    let list: Vec<String> = files.iter().map(|f| f.display().to_string()).collect();
    println!("cargo:rustc-env=INVNET_HOST_SOURCES={}", list.join(";"));
    println!("cargo:rustc-env=INVNET_HOST_LIBRARY={}", out.join("libinvnet_simt.a").display());
}
