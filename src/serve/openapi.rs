//! The description of the JSON interface, in OpenAPI 3.1.

use serde_json::{Value, json};

use super::ask::{MOST_PIXELS, MOST_SAMPLES, MOST_SECONDS};
use super::files::FileFormat;

/// All of it.
pub(super) fn description() -> Value {
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "invnet",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Samples of trained generators, with the numbers that were asked for. \
                            Positions are in pixels, pixel centres at 0, 1, ...; maps are bytes, one a pixel, \
                            row by row from the top, in base64.",
        },
        "paths": {
            "/api/runs": {"get": operation("What there is, and what it can be asked for", &[], json!({
                "type": "object",
                "required": ["program", "runs", "limits"],
                "properties": {
                    "program": {"type": "string"},
                    "runs": {"type": "array", "items": {"$ref": "#/components/schemas/Run"}},
                    "limits": {"type": "object", "required": ["pixels", "samples"]},
                },
            }))},
            "/api/runs/{run}/table": {"get": operation("Numbers that real images have together", &["run"], json!({
                "type": "object",
                "required": ["names", "rows", "band"],
                "properties": {
                    "names": {"type": "array", "items": {"type": "string"}},
                    "rows": {"type": "array", "items": numbers()},
                    "band": {"type": "array", "description": "Of each number the quantiles at 5, 50 and 95 %",
                             "items": numbers()},
                },
            }))},
            "/api/runs/{run}/training": {"get": operation("The log of a run", &["run"], json!({
                "type": "object",
                "required": ["iteration", "iterations", "seconds", "left", "running", "at", "losses", "pictures"],
            }))},
            "/api/runs/{run}/training/{iteration}": {"get": {
                "summary": "A picture of samples at an iteration",
                "parameters": [parameter("run"), parameter("iteration")],
                "responses": responses(json!({"image/png": {}})),
            }},
            "/api/sample": {"post": posted("Samples, asked and measured", "Ask", reference("Samples"))},
            "/api/match": {"post": posted("Samples with the numbers of an image", "AskImage", reference("Samples"))},
            "/api/measure": {"post": posted("The numbers of images", "AskImage", json!({
                "type": "object",
                "required": ["size", "classes", "maps", "measured", "warnings"],
                "properties": {
                    "size": size(), "classes": {"type": "integer"}, "maps": maps(),
                    "measured": {"type": "array", "items": values()}, "warnings": warnings(),
                },
            }))},
            "/api/files/{format}": {"post": {
                "summary": "Samples as a file",
                "parameters": [{
                    "name": "format", "in": "path", "required": true,
                    "schema": {"type": "string", "enum": FileFormat::NAMES},
                }],
                "requestBody": body("Ask"),
                "responses": responses(json!({"application/octet-stream": {}})),
            }},
            "/api/openapi.json": {"get": operation("This description", &[], json!({"type": "object"}))},
        },
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer",
                "description": "Only of a server that was started with --token"}},
            "schemas": {
                "Run": {
                    "type": "object",
                    "required": ["name", "size", "classes", "palette", "columns", "properties", "start"],
                    "properties": {
                        "name": {"type": "string"}, "size": size(), "classes": {"type": "integer"},
                        "look": {"enum": ["figures", "phases", "grains"]},
                        "step": {"type": ["integer", "null"],
                                 "description": "Of images of other sizes both sides are multiples of this"},
                        "columns": {"type": "array", "items": {
                            "type": "object", "required": ["name", "unit", "low", "high", "possible"],
                            "description": "A number that can be asked for; low to high is the trained range",
                        }},
                    },
                },
                "Ask": {"type": "object", "additionalProperties": false, "properties": ask(false)},
                "AskImage": {"type": "object", "additionalProperties": false, "properties": ask(true)},
                "Samples": {
                    "type": "object",
                    "required": ["run", "size", "classes", "maps", "seed", "asked", "measured", "tolerance",
                                 "within", "closed", "ended", "effort", "score", "command"],
                    "properties": {
                        "run": {"type": "string"}, "size": size(), "classes": {"type": "integer"}, "maps": maps(),
                        "seed": {"type": "integer"},
                        "asked": {"type": "array", "items": values()},
                        "measured": {"type": "array", "items": values()},
                        "tolerance": {"type": "array", "items": values()},
                        "within": {"type": "array", "items": {"type": "boolean"},
                                   "description": "Of each sample, whether all numbers are within their tolerance"},
                        "closed": {"type": "boolean"},
                        "ended": {"type": "boolean", "description": "Whether time was over before all were as near \
                                                                     as can be: these are the nearest so far"},
                        "effort": {"type": ["array", "null"], "items": {"type": "object"},
                                   "description": "What closing took: passes, steps along the gradient, pixels"},
                        "score": {"type": ["array", "null"], "items": {"type": "number"},
                                  "description": "The critic's: larger is more like real images of this run"},
                        "command": {"type": "string", "description": "Makes the same samples"},
                        "image": {
                            "type": "object",
                            "description": "Of a match: what was asked for. Of several images the mean of their numbers; \
                                            of figures, places and angles, which have none, the first image's",
                            "required": ["size", "count", "maps", "measured", "warnings"],
                            "properties": {
                                "size": size(), "count": {"type": "integer", "description": "Images taken"},
                                "maps": maps(), "measured": values(), "warnings": warnings(),
                            },
                        },
                    },
                },
                "Error": {"type": "object", "required": ["error"], "properties": {
                    "error": {"type": "string", "description": "One line that says what to do"},
                }},
            },
        },
    })
}

/// The members of a request.
fn ask(image: bool) -> Value {
    let mut members = json!({
        "run": {"type": "string", "description": "Its name; without it the first"},
        "target": {"type": "object", "additionalProperties": {"type": "number"},
                   "description": "What is asked for; what is left out is drawn as in the data"},
        "count": {"type": "integer", "minimum": 1, "maximum": MOST_SAMPLES, "default": 1,
                  "description": format!("All samples together have at most {MOST_PIXELS} pixels")},
        "seed": {"type": "integer", "minimum": 0, "default": 0},
        "size": size(),
        "within": {"type": ["boolean", "object", "string"], "default": false, "additionalProperties": {"type": "number"},
                   "description": "How near to come: true for the usual tolerances, or tolerances by name, or a \
                                   text such as \"p1=0.001,1%\"; false for what the generator makes at once"},
        "closed": {"type": "boolean", "description": "Whether samples are brought that near; as within says, unless \
                                                      it is given: false keeps tolerances of a single pass"},
        "seconds": {"type": "number", "exclusiveMinimum": 0, "maximum": MOST_SECONDS, "default": MOST_SECONDS,
                    "description": "How long that may take; the nearest by then is the answer, and says so"},
        "page": {"type": "string", "maxLength": 64,
                 "description": "A word: a later request with the same word takes the place of one that waits \
                                or is computed"},
    });
    if image {
        members["image"] = json!({"type": "string", "contentEncoding": "base64",
            "description": "A file: PNG, TIFF, JPEG, BMP, npy, npz, HDF5, VTK image data or text"});
        members["threshold"] = json!({"type": "number", "description": "Class 1 begins at this value"});
        members["maps"] = maps();
    }
    members
}

fn warnings() -> Value {
    json!({"type": "array", "items": {"type": "string"}, "description": "What reading an image changed of it"})
}

fn operation(summary: &str, parameters: &[&str], answer: Value) -> Value {
    json!({
        "summary": summary,
        "parameters": parameters.iter().map(|name| parameter(name)).collect::<Vec<_>>(),
        "responses": responses(json!({"application/json": {"schema": answer}})),
    })
}

fn posted(summary: &str, ask: &str, answer: Value) -> Value {
    json!({
        "summary": summary,
        "requestBody": body(ask),
        "responses": responses(json!({"application/json": {"schema": answer}})),
    })
}

fn body(schema: &str) -> Value {
    json!({"required": true, "content": {"application/json": {"schema": reference(schema)}}})
}

fn responses(content: Value) -> Value {
    let error = |description: &str| json!({"description": description, "content": {"application/json": {"schema": reference("Error")}}});
    json!({
        "200": {"description": "Done", "content": content},
        "400": error("Something in the request is wrong"),
        "401": error("The token is missing"),
        "404": error("There is no such run"),
        "429": error("A newer request of the same page took its place"),
        "503": error("Too many wait: Retry-After says when to try again"),
    })
}

fn parameter(name: &str) -> Value {
    json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}})
}

fn reference(schema: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{schema}")})
}

fn size() -> Value {
    json!({"type": "array", "items": {"type": "integer", "minimum": 1}, "minItems": 2, "maxItems": 2,
           "description": "Rows and columns, in pixels"})
}

fn maps() -> Value {
    json!({"type": "string", "contentEncoding": "base64",
           "description": "Class of every pixel, [count, rows, columns]"})
}

fn values() -> Value {
    json!({"type": "object", "additionalProperties": {"type": ["number", "null"]},
           "description": "Number by name; null where there is nothing to measure"})
}

fn numbers() -> Value {
    json!({"type": "array", "items": {"type": "number"}})
}
