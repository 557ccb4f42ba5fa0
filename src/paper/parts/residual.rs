//! The critic's loss of Stinis et al.: Fig. 6.

use serde_json::json;

use super::{cost, row};
use crate::error::Result;
use crate::eval::lines::{Line, LinesFigure, lines_png};
use crate::paper::recipe::{FRACTION, Recipe, STINIS, STINIS_IMAGE, STINIS_NOISE};
use crate::paper::run::Run;
use crate::paper::{Bench, Finding, Part};

pub(super) const FIG6: Part = Part {
    id: "fig6",
    claim: "with the residual as an input of the critic (Stinis et al.) its loss explodes",
    paper: "about -10^7 within a few iterations",
    recipes: &[&FRACTION, &STINIS, &STINIS_IMAGE, &STINIS_NOISE],
    compared: &[],
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

fn make(bench: &mut Bench<'_>) -> Result<Finding> {
    let recipes: [&Recipe; 4] = [&FRACTION, &STINIS, &STINIS_IMAGE, &STINIS_NOISE];
    let runs: Vec<Run> = recipes.iter().map(|recipe| bench.trained(recipe, 0)).collect::<Result<_>>()?;
    let found: Vec<(f64, f64)> = runs.iter().map(extreme).collect();
    let usual = found[0].1.abs();
    let mut table =
        vec![row(&["model", "largest critic loss", "at iteration", "last", "mean error of p1", "verdict"])];
    let mut numbers = serde_json::Map::new();
    let mut says = Vec::new();
    let mut holds = false;
    for ((run, recipe), (at, loss)) in runs.iter().zip(recipes).zip(&found) {
        let report = bench.measure(run, recipe)?;
        let exploded = loss.abs() > EXPLODED || run.history.diverged.is_some();
        let verdict = match (&run.history.diverged, exploded) {
            (Some(_), _) => "not finite",
            (None, true) => "explodes",
            (None, false) if recipe.name != FRACTION.name && loss.abs() > LEFT * usual => "leaves its range",
            (None, false) => "stays",
        };
        holds |= exploded && recipe.name != FRACTION.name;
        let last = run.history.curve("critic_loss").last().map_or(f64::NAN, |p| p.1);
        table.push(vec![
            recipe.label.to_owned(),
            format!("{loss:.3e}"),
            format!("{at:.0}"),
            format!("{last:.3e}"),
            format!("{:.4}", report.mean_abs_error),
            verdict.to_owned(),
        ]);
        says.push(format!("{} {loss:.1e}", recipe.label));
        let [critic, wasserstein] = ["critic_loss", "wasserstein"].map(|loss| run.history.curve(loss));
        let losses = json!({ "critic": critic, "wasserstein": wasserstein });
        let entry = json!({ "training": cost(run), "largest": loss, "at": at, "losses": losses,
            "mean_abs_error": report.mean_abs_error, "frechet": report.frechet });
        numbers.insert(recipe.name.to_owned(), entry);
    }
    let line = |(run, recipe): (&Run, &&Recipe)| Line {
        name: recipe.label.to_owned(),
        points: run.history.curve("critic_loss").into_iter().map(|(x, y)| (x, y.abs())).collect(),
    };
    let figure = LinesFigure {
        title: "Critic's loss, its size".into(),
        x_name: "iteration".into(),
        y_name: "|critic's loss|".into(),
        lines: runs.iter().zip(&recipes).map(line).collect(),
        level: None,
    };
    lines_png(bench.folder.join("fig6.png"), &figure)?;
    Ok(Finding {
        ours: format!("largest critic loss: {}", says.join("; ")),
        holds,
        note: format!(
            "Rule: the size of the critic's loss passes {EXPLODED:.0e} in one of the settings tried, or is \
             not finite. The paper does not say what its gradient penalty holds. On image and residual \
             together it bounds the critic's slope along both; on the image alone nothing bounds the slope \
             along the residual, which is zero for real images, so that the loss can fall without end, with \
             the learning rate and the number of iterations as its only measure. With noisy data the \
             residual of real images is not zero. Residuals are squares of shares (p1 from 0 to 1). All \
             runs took {} iterations or more.",
            runs.iter().map(|run| run.history.iteration).min().unwrap_or(0)
        ),
        table,
        pictures: vec![("fig6.png".into(), "The size of the critic's loss, InvNet's beside it".into())],
        numbers: numbers.into(),
    })
}
