//! The critic's loss of Stinis et al.: Fig. 6.

use serde_json::json;

use super::{Model, cost, row};
use crate::error::Result;
use crate::eval::lines::{Line, LinesFigure, lines_png};
use crate::paper::recipe::{FRACTION, Recipe, STINIS, STINIS_IMAGE, STINIS_NOISE};
use crate::paper::run::Run;
use crate::paper::statistics::shown;
use crate::paper::{Bench, Finding, Part};

const MODELS: &[&Recipe] = &[&FRACTION, &STINIS, &STINIS_IMAGE, &STINIS_NOISE];

pub(super) const FIG6: Part = Part {
    id: "fig6",
    claim: "with the residual as an input of the critic (Stinis et al.) its loss explodes",
    paper: "about -10^7 within a few iterations",
    recipes: &[],
    compared: MODELS,
    measuring: 8.0,
    make,
};

/// Beyond this a critic's loss is no distance of images: the paper's is -10^7.
const EXPLODED: f64 = 1e4;
/// A loss that is this many times InvNet's largest has left its range, though not so far.
const LEFT: f64 = 10.0;

/// The largest size of the critic's loss, with its sign and place.
fn extreme(run: &Run) -> (f64, f64) {
    let curve = run.history.curve("critic_loss");
    let largest = curve.into_iter().max_by(|a, b| a.1.abs().total_cmp(&b.1.abs()));
    largest.unwrap_or((f64::NAN, f64::NAN))
}

/// What became of a critic's loss whose largest size is this.
fn became(run: &Run, largest: f64, usual: f64) -> &'static str {
    match &run.history.diverged {
        Some(_) => "not finite",
        None if largest.abs() > EXPLODED => "explodes",
        None if largest.abs() > LEFT * usual => "leaves its range",
        None => "stays",
    }
}

fn make(bench: &mut Bench<'_>) -> Result<Finding> {
    let models = MODELS.iter().map(|recipe| Model::of(bench, recipe)).collect::<Result<Vec<_>>>()?;
    let extremes = |model: &Model| model.runs.iter().map(extreme).collect::<Vec<_>>();
    let largest = |found: &[(f64, f64)]| found.iter().map(|f| f.1).max_by(|a, b| a.abs().total_cmp(&b.abs()));
    let usual = largest(&extremes(&models[0])).map_or(f64::NAN, f64::abs);
    let mut table = vec![row(&[
        "model",
        "largest critic loss of each seed",
        "at iteration",
        "last",
        "mean error of p1",
        "verdict",
    ])];
    let mut numbers = serde_json::Map::new();
    let mut says = Vec::new();
    let mut holds = false;
    for model in &models {
        let (recipe, found) = (model.recipe, extremes(model));
        let verdicts: Vec<&str> =
            model.runs.iter().zip(&found).map(|(run, of)| became(run, of.1, usual)).collect();
        holds |=
            recipe.name != FRACTION.name && verdicts.iter().any(|v| ["not finite", "explodes"].contains(v));
        let lasts =
            model.runs.iter().map(|run| run.history.curve("critic_loss").last().map_or(f64::NAN, |p| p.1));
        let each = |words: Vec<String>| words.join(", ");
        let mut said = verdicts.clone();
        said.dedup();
        table.push(vec![
            recipe.label.to_owned(),
            each(found.iter().map(|of| format!("{:.2e}", of.1)).collect()),
            each(found.iter().map(|of| format!("{:.0}", of.0)).collect()),
            each(lasts.map(|last| format!("{last:.2e}")).collect()),
            shown(&model.over(|report| report.mean_abs_error), 4),
            said.join(", "),
        ]);
        says.push(format!("{} {:.1e}", recipe.label, largest(&found).unwrap_or(f64::NAN)));
        let seeds = model.runs.iter().zip(&model.reports).zip(&found).map(|((run, report), (at, loss))| {
            let [critic, wasserstein] = ["critic_loss", "wasserstein"].map(|loss| run.history.curve(loss));
            let losses = json!({ "critic": critic, "wasserstein": wasserstein });
            json!({ "training": cost(run), "largest": loss, "at": at, "losses": losses,
                "mean_abs_error": report.mean_abs_error, "frechet": report.frechet })
        });
        numbers.insert(recipe.name.to_owned(), seeds.collect());
    }
    let line = |model: &Model| Line {
        name: model.recipe.label.to_owned(),
        points: model.runs[0].history.curve("critic_loss").into_iter().map(|(x, y)| (x, y.abs())).collect(),
    };
    let figure = LinesFigure {
        title: "Critic's loss, its size".into(),
        x_name: "iteration".into(),
        y_name: "|critic's loss|".into(),
        lines: models.iter().map(line).collect(),
        level: None,
    };
    lines_png(bench.folder.join("fig6.png"), &figure)?;
    Ok(Finding {
        ours: format!("largest critic loss of any seed: {}", says.join("; ")),
        holds,
        note: format!(
            "Rule: the size of the critic's loss passes {EXPLODED:.0e} with a seed of one of the settings tried, or is \
             not finite. The paper does not say what its gradient penalty holds. On image and residual \
             together it bounds the critic's slope along both; on the image alone nothing bounds the slope \
             along the residual, which is zero for real images, so that the loss can fall without end, with \
             the learning rate and the number of iterations as its only measure. With noisy data the \
             residual of real images is not zero. Residuals are squares of shares (p1 from 0 to 1). All \
             runs took {} iterations or more.",
            models.iter().flat_map(|m| &m.runs).map(|run| run.history.iteration).min().unwrap_or(0)
        ),
        table,
        pictures: vec![(
            "fig6.png".into(),
            "The size of the critic's loss, InvNet's beside it, the first seed".into(),
        )],
        numbers: numbers.into(),
    })
}
