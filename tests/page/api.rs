//! The JSON interface, as a notebook uses it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::http::{get, post, send};
use crate::served::{Served, invnet, runs};

fn maps(answer: &Value) -> Vec<u8> {
    STANDARD.decode(answer["maps"].as_str().unwrap()).unwrap()
}

#[test]
fn samples_are_those_of_generate() {
    let server = Served::runs();
    let target = json!({"r1": 5.5, "cx1": 12});
    for within in [json!(false), json!(true), json!({"r1": 0.5})] {
        same_as_generate(
            &server,
            &json!({"run": "figures", "target": target, "count": 5, "seed": 7, "within": within}),
        );
    }
}

fn same_as_generate(server: &Served, body: &Value) {
    let answer = post(server.address, "/api/sample", body);
    assert_eq!(answer.status, 200, "{answer}");
    let answer = answer.json();
    assert_eq!((&answer["size"], &answer["classes"]), (&json!([32, 32]), &json!(3)));
    for key in ["asked", "measured", "within", "tolerance", "score"] {
        assert_eq!(answer[key].as_array().map(Vec::len), Some(5), "{key}: {}", answer[key]);
    }
    assert!(answer["asked"].as_array().unwrap().iter().all(|row| row["r1"] == 5.5 && row["cx1"] == 12.0));
    // The command that comes with them makes the same bytes.
    let folder = tempfile::tempdir().unwrap();
    let command = answer["command"].as_str().unwrap().strip_prefix("invnet ").unwrap();
    let output =
        invnet(&[]).args(command.split(' ')).arg("--out").arg(folder.path().join("made")).output().unwrap();
    // 3 says that some miss what was asked: they are the same here and there.
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(matches!(output.status.code(), Some(0 | 3)), "{command}: {said}");
    let file = std::fs::read(folder.path().join("made/samples.npy")).unwrap();
    assert_eq!(maps(&answer), file[file.len() - 5 * 1024..]);
    // What is left open differs from seed to seed, and is the same for one.
    let again = post(server.address, "/api/sample", body).json();
    assert_eq!(again["maps"], answer["maps"]);
}

#[test]
fn what_is_within_is_measured_on_the_maps_that_are_sent() {
    let server = Served::runs();
    let body = json!({"run": "figures", "target": {"r1": 6}, "count": 3, "within": {"r1": 3.0}});
    let answer = post(server.address, "/api/sample", &body).json();
    assert_eq!(answer["tolerance"][0]["r1"], 3.0);
    let names: Vec<&str> = answer["asked"][0].as_object().unwrap().keys().map(String::as_str).collect();
    let measured =
        post(server.address, "/api/measure", &json!({"run": "figures", "maps": answer["maps"]})).json();
    assert_eq!(measured["measured"], answer["measured"]);
    for i in 0..3 {
        let within = names.iter().all(|name| {
            let value = |key: &str| answer[key][i][name].as_f64().unwrap_or(f64::NAN);
            answer["tolerance"][i][name].is_null()
                || (value("measured") - value("asked")).abs() <= value("tolerance") * (1.0 + 1e-6)
        });
        assert_eq!(answer["within"][i], within, "{i}");
    }
}

/// A black and white picture of 64 x 64 pixels, in base64.
fn picture(white: impl Fn(usize, usize) -> bool) -> String {
    let mut png_bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut png_bytes, 64, 64);
    encoder.set_color(png::ColorType::Grayscale);
    let pixels: Vec<u8> = (0..4096).map(|i| if white(i / 64, i % 64) { 200 } else { 30 }).collect();
    encoder.write_header().unwrap().write_image_data(&pixels).unwrap();
    STANDARD.encode(&png_bytes)
}

#[test]
fn what_reading_an_image_changed_of_it_is_said() {
    let server = Served::runs();
    let fine = picture(|y, x| y % 2 == 0 && x % 2 == 0);
    let warnings = |size: usize, verb: &str| {
        let body = json!({"run": "phases", "image": fine, "threshold": 128, "size": [size, size]});
        let answer = post(server.address, verb, &body);
        assert_eq!(answer.status, 200, "{answer}");
        let answer = answer.json();
        let of = if verb == "/api/match" { &answer["image"] } else { &answer };
        of["warnings"].as_array().unwrap().len()
    };
    for verb in ["/api/measure", "/api/match"] {
        assert_eq!(warnings(64, verb), 0, "{verb}");
        assert!(warnings(32, verb) > 0, "{verb}");
    }
}

#[test]
fn of_several_images_the_mean_of_their_numbers_is_asked_for() {
    let server = Served::runs();
    let maps: Vec<u8> = (0..2 * 1024).map(|i| u8::from(i % 32 < 8 + i / 1024 * 16)).collect();
    let body = json!({"run": "phases", "maps": STANDARD.encode(&maps), "count": 1});
    let answer = post(server.address, "/api/match", &body).json();
    assert_eq!((&answer["asked"][0]["p1"], &answer["image"]["count"]), (&json!(0.5), &json!(2)));
    assert_eq!(answer["image"]["measured"]["p1"], 0.5);
    // Figures at two places have no place between them.
    let made = post(server.address, "/api/sample", &json!({"run": "figures", "count": 2})).json();
    let answer = post(server.address, "/api/match", &json!({"run": "figures", "maps": made["maps"]})).json();
    assert_eq!((&answer["asked"][0], &answer["image"]["count"]), (&made["measured"][0], &json!(1)));
}

#[test]
fn an_image_is_measured_and_matched() {
    let server = Served::runs();
    let png = picture(|y, x| y < 32 && x < 32);
    let body = json!({"run": "phases", "image": png, "threshold": 128});
    let answer = post(server.address, "/api/measure", &body);
    assert_eq!(answer.status, 200, "{answer}");
    let answer = answer.json();
    assert_eq!((&answer["size"], &answer["measured"][0]["p1"]), (&json!([64, 64]), &json!(0.25)));
    let found = post(
        server.address,
        "/api/match",
        &json!({"run": "phases", "image": body["image"], "threshold": 128, "count": 2, "size": [64, 64]}),
    );
    assert_eq!(found.status, 200, "{found}");
    let found = found.json();
    assert_eq!(found["asked"][1]["p1"], 0.25);
    assert_eq!(found["asked"][0]["s3"], answer["measured"][0]["s3"]);
    assert_eq!((&found["size"], maps(&found).len()), (&json!([64, 64]), 2 * 4096));
    // Without a threshold it is grey levels, which are refused as the command refuses them.
    let refused = post(server.address, "/api/measure", &json!({"run": "phases", "image": body["image"]}));
    assert_eq!(refused.status, 400);
    assert!(refused.error().starts_with("image: ") && refused.error().contains("threshold"), "{refused}");
}

#[test]
fn every_mistake_is_one_line_of_json() {
    let server = Served::runs();
    let sample = |body: Value| post(server.address, "/api/sample", &body);
    for (body, status, says) in [
        (json!({"run": "../figures"}), 404, "there are figures, phases"),
        (
            json!({"target": {"radius": 1}}),
            400,
            "target: unknown property radius: use r1, r2, cx1, cy1, cx2, cy2",
        ),
        (json!({"target": {"r1": "9"}}), 400, "target: r1 = \"9\": must be a number"),
        (json!({"target": {"r1": 900}}), 400, "target: r1 = 900 is impossible"),
        (json!({"target": {"r1": 1e300}}), 400, "must be a number"),
        (json!({"count": 0}), 400, "count = 0: must be 1 to 1024"),
        (json!({"count": 1u64 << 40}), 400, "must be 1 to 1024"),
        (json!({"count": -1}), 400, "the body: invalid value"),
        (json!({"size": [64, 64]}), 400, "this run makes images of 32 x 32 only"),
        (json!({"run": "phases", "size": [33, 32]}), 400, "sides must be multiples of"),
        (json!({"size": [usize::MAX, 2]}), 400, "size: at most 1048576 pixels"),
        (json!({"size": [0, 0]}), 400, "size"),
        (
            json!({"within": {"r1": -1}}),
            400,
            "within r1=-1: r1=-1: must be name=number, name=number% or number%, above 0",
        ),
        (json!({"seconds": 0}), 400, "seconds = 0: must be above 0, at most 20"),
        (json!({"seconds": 21}), 400, "must be above 0, at most 20"),
        (json!({"within": 3}), 400, "must be true, false, {name: number} or a text"),
        (json!({"sample": 1}), 400, "the body: unknown field `sample`"),
        (json!([1]), 400, "the body"),
        (json!({"page": "x".repeat(65)}), 400, "page: must be"),
    ] {
        let answer = sample(body.clone());
        assert_eq!(answer.status, status, "{body}: {answer}");
        assert!(
            answer.error().contains(says) && !answer.error().contains('\n'),
            "{body}: {}",
            answer.error()
        );
    }
    for body in [
        json!({}),
        json!({"maps": "AAA"}),
        json!({"maps": "AA=="}),
        json!({"maps": STANDARD.encode([9; 1024])}),
        json!({"image": "????"}),
        json!({"image": STANDARD.encode("nothing")}),
    ] {
        let answer = post(server.address, "/api/measure", &body);
        assert_eq!(answer.status, 400, "{body}: {answer}");
        answer.error();
    }
    for (method, path, status) in [
        ("GET", "/api/sample", 405),
        ("GET", "/no", 404),
        ("GET", "/api/runs/no/table", 404),
        ("GET", "/api/runs/figures/training/x", 400),
        ("GET", "/api/runs/figures/training/1", 404),
        ("GET", "/api/runs/..%2Ffigures/training", 404),
        ("POST", "/api/files/exe", 404),
        ("DELETE", "/api/runs", 405),
    ] {
        let answer = send(server.address, method, path, "", b"");
        assert_eq!(answer.status, status, "{method} {path}: {answer}");
        answer.error();
    }
    assert!(get(server.address, "/api/runs").status == 200, "still there");
}

#[test]
fn files_of_every_format_are_what_they_say() {
    let server = Served::runs();
    for (format, extension, first) in [
        ("png", "png.zip", b"PK\x03\x04".as_slice()),
        ("tiff", "tiff", b"II*\0"),
        ("npy", "npy", b"\x93NUMPY"),
        ("npz", "npz", b"PK\x03\x04"),
        ("vti", "vti.zip", b"PK\x03\x04"),
        ("hdf5", "h5", b"\x89HDF"),
        ("dream3d", "dream3d", b"\x89HDF"),
        ("csv", "csv", b"sample,seed,asked_r1,measured_r1,"),
        ("json", "json", b"{"),
    ] {
        let body = json!({"run": "figures", "target": {"r1": 6}, "count": 2, "seed": 3});
        let answer = post(server.address, &format!("/api/files/{format}"), &body);
        assert_eq!(answer.status, 200, "{format}: {answer}");
        assert!(answer.body.starts_with(first), "{format}: {answer}");
        let named = format!("attachment; filename=\"figures-samples.{extension}\"");
        assert_eq!(answer.header("content-disposition"), Some(named.as_str()));
    }
    let one = post(server.address, "/api/files/png", &json!({"run": "figures"}));
    assert!(one.body.starts_with(b"\x89PNG"), "one sample is one file");
    // The record asks for the same again.
    let record =
        post(server.address, "/api/files/json", &json!({"run": "figures", "count": 2, "seed": 5})).json();
    let again = post(server.address, "/api/sample", &record["request"]);
    assert_eq!(again.status, 200, "{again}");
    assert_eq!(again.json()["seed"], 5);
    assert_eq!(server.leftovers(), 0);
}

#[test]
fn the_description_says_what_is_served() {
    let server = Served::runs();
    let description = get(server.address, "/api/openapi.json").json();
    let paths = description["paths"].as_object().unwrap();
    assert_eq!(paths.len(), 9);
    for (path, methods) in paths {
        let address =
            path.replace("{run}", "figures").replace("{iteration}", "100").replace("{format}", "csv");
        for (method, operation) in methods.as_object().unwrap() {
            let body = operation.get("requestBody").map(|_| match path.as_str() {
                "/api/measure" => json!({"maps": STANDARD.encode([1; 1024])}),
                "/api/match" => {
                    json!({"maps": STANDARD.encode([1; 1024]), "target": {"r2": 5, "cx2": 20, "cy2": 20}})
                }
                _ => json!({}),
            });
            let answer = match body {
                Some(body) => post(server.address, &address, &body),
                None => send(server.address, &method.to_uppercase(), &address, "", b""),
            };
            assert_eq!(answer.status, 200, "{method} {path}: {answer}");
            let content = &operation["responses"]["200"]["content"];
            let schema = &content["application/json"]["schema"];
            if !schema.is_null() {
                fits(&answer.json(), schema, &description, path);
            }
        }
    }
}

/// Checks what a schema says of types, members and items.
fn fits(value: &Value, schema: &Value, all: &Value, place: &str) {
    if let Some(reference) = schema["$ref"].as_str() {
        return fits(value, all.pointer(&reference[1..]).unwrap(), all, place);
    }
    let is = |kind: &str| match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "null" => value.is_null(),
        other => panic!("{place}: type {other}"),
    };
    match &schema["type"] {
        Value::String(kind) => assert!(is(kind), "{place}: {value} is no {kind}"),
        Value::Array(kinds) => assert!(kinds.iter().any(|k| is(k.as_str().unwrap())), "{place}: {value}"),
        _ => {}
    }
    for name in schema["required"].as_array().into_iter().flatten() {
        assert!(value.get(name.as_str().unwrap()).is_some(), "{place}: no {name}");
    }
    for (name, inner) in value.as_object().into_iter().flatten() {
        match schema["properties"].get(name) {
            Some(schema) => fits(inner, schema, all, &format!("{place}.{name}")),
            None => assert!(schema["additionalProperties"] != false, "{place}: {name} is not described"),
        }
    }
    for inner in value.as_array().into_iter().flatten().filter(|_| schema.get("items").is_some()) {
        fits(inner, &schema["items"], all, &format!("{place}[]"));
    }
}

#[test]
fn a_table_and_a_log_are_those_of_the_run() {
    let server = Served::runs();
    let table = get(server.address, "/api/runs/phases/table").json();
    let width = table["names"].as_array().unwrap().len();
    assert!(table["rows"].as_array().unwrap().iter().all(|row| row.as_array().unwrap().len() == width));
    assert_eq!(table["band"].as_array().unwrap().len(), width);
    let log = get(server.address, "/api/runs/figures/training").json();
    assert_eq!(
        (&log["iteration"], &log["iterations"], &log["running"]),
        (&json!(300.0), &json!(300.0), &json!(false))
    );
    assert_eq!(log["pictures"], json!([100, 200, 300]));
    assert_eq!(log["losses"]["wasserstein"].as_array().unwrap().len(), log["at"].as_array().unwrap().len());
    let picture = get(server.address, "/api/runs/figures/training/200");
    let file = std::fs::read(runs()[0].join("samples/000200.png")).unwrap();
    assert!(picture.body == file && picture.header("content-type") == Some("image/png"));
}
