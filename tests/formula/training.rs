//! Formulas in a training.

use invnet::train::{Config, Trainer};

use super::documented_as;

/// The losses of ten iterations on tiny networks, asked for one property.
fn losses(ask: &str) -> Vec<Vec<f64>> {
    let text = format!(
        "data = {{ source = \"circles\", size = 16, images = 60 }}\n\
         net = {{ width = 2, latent = 4 }}\n\
         train = {{ batch = 4, iterations = 10, log_every = 10 }}\n\
         [[ask]]\nname = \"own\"\n{ask}\n"
    );
    let config = Config::from_toml(&text, "test").unwrap();
    let mut trainer = Trainer::new(&config).unwrap();
    let rows = trainer.advance(10, &|| false).unwrap();
    rows.iter().map(|row| row.values.iter().map(|(_, v)| *v).collect()).collect()
}

#[test]
fn a_formula_trains_as_the_property_it_equals() {
    let crofton = documented_as("crofton");
    for (built_in, formula) in [
        ("property = \"fraction\"\nof = 1", "mean(x[1])"),
        ("property = \"correlation\"\nof = 2\nbins = 5", "correlation(x[2], x[2], 5)"),
        ("property = \"interface\"\nof = \"1\"\nweight = 10", crofton.as_str()),
    ] {
        let want = losses(built_in);
        let got = losses(&format!("formula = \"\"\"{formula}\"\"\""));
        assert_eq!((want.len(), want[0].len()), (10, got[0].len()), "{formula}");
        for (iteration, (got, want)) in got.iter().zip(&want).enumerate() {
            for (got, want) in got.iter().zip(want) {
                assert!(
                    (got - want).abs() <= 1e-5 * want.abs().max(1.0),
                    "{formula}, {iteration}: {got} {want}"
                );
            }
        }
        assert!(want[0] != want[9], "{formula}: nothing was trained");
    }
}

#[test]
fn a_formula_that_cannot_be_trained_stops_before_the_data_are_made() {
    let text =
        |formula: &str| format!("data = \"circles\"\n[[ask]]\nname = \"own\"\nformula = \"{formula}\"\n");
    let config = Config::from_toml(&text("mean(ln(x[1] - 1))"), "test").unwrap();
    let problem = Trainer::new(&config).err().unwrap().to_string();
    assert!(problem.starts_with("ask.own: error: ln(x[1] - 1) is no finite number"), "{problem}");
    assert!(problem.ends_with("\n  mean(ln(x[1] - 1))\n       ^^^^^^^^^^^^"), "{problem}");
    // A mistake of spelling, where the configuration is read.
    for (formula, says) in [
        (
            "meen(x[1])",
            "f.toml: ask.own.formula: unknown name \"meen\": did you mean mean?\n  meen(x[1])\n  ^^^^",
        ),
        ("mean(x[3])", "f.toml: ask.own.formula: is no class of the images: they have classes 0 to 2\n"),
    ] {
        let problem = Config::from_toml(&text(formula), "f.toml").unwrap_err();
        assert!(problem.to_string().starts_with(says), "{problem}");
        assert_eq!(problem.exit_code(), 2);
    }
    let unnamed = Config::from_toml("data = \"circles\"\n[[ask]]\nformula = \"mean(x[1])\"", "f.toml");
    assert!(unnamed.unwrap_err().to_string().contains("ask.formula.name = \"\": a formula needs a name"));
    // A text of several lines comes back from the configuration that a run keeps.
    let text = "data = \"circles\"\n[[ask]]\nname = \"own\"\nunit = \"1/px\"\nformula = \"\"\"\nlet a = x[1];\n\tmean(a)\"\"\"\n";
    let config = Config::from_toml(text, "test").unwrap();
    assert_eq!(Config::from_toml(&config.to_toml(), "test").unwrap(), config);
    assert_eq!(config.asks[0].options().word("formula"), "let a = x[1];\n\tmean(a)");
}
