//! What a run needs of its images and of the properties asked of them, in one small struct.
//!
//! Targets come from one of two places. Where a formula gives the distribution of all the numbers
//! asked for (radii and centres of drawn figures), they are drawn from it. Elsewhere only images know
//! which numbers go together, so they are rows of a table measured on images that training never
//! sees, and every asked set of numbers can be realised.

mod supply;

use std::sync::Arc;

use super::config::Config;
use super::target;
use crate::data::figure::Figure;
use crate::data::source::{Known, Look, Problem, Source};
use crate::error::{Error, Result};
use crate::invariance::{Ask, Column, Images, Property};
use crate::nn;

/// Part by which two numbers of one share may differ: what a table's digits leave out.
const SAME_SHARE: f32 = 1e-3;

/// A source that draws all the numbers asked for.
#[derive(Clone)]
struct Drawn {
    source: Arc<dyn Source>,
    /// What it draws.
    known: Vec<Known>,
    /// For each column, which of those it is.
    places: Vec<usize>,
}

/// Images and the properties asked of them.
#[derive(Clone)]
pub struct Task {
    images: Images,
    look: Look,
    /// What each class was in the files that the images are from, or empty.
    labels: Vec<f64>,
    asks: Vec<Ask>,
    properties: Vec<Property>,
    columns: Vec<Column>,
    /// Where a formula gives all the numbers asked for.
    drawn: Option<Drawn>,
    /// Numbers of images held out of training, `[M, P]`; empty where a formula gives targets.
    table: Arc<[f32]>,
}

impl std::fmt::Debug for Task {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = self.properties.iter().map(Property::name).collect();
        f.debug_struct("Task")
            .field("images", &self.images)
            .field("properties", &names)
            .finish_non_exhaustive()
    }
}

impl Task {
    /// The task of a configuration, without its table. Reads the file of images, if there is one;
    /// `origin` is named in errors.
    ///
    /// # Errors
    /// If the images cannot be had or cannot be asked for these properties.
    pub fn of(config: &Config, origin: &str) -> Result<Self> {
        Self::with_source(config, &Self::source(config, origin)?, origin)
    }

    /// The images of a configuration.
    ///
    /// # Errors
    /// If an option of theirs or the file is wrong.
    pub fn source(config: &Config, origin: &str) -> Result<Arc<dyn Source>> {
        config.data.open().map_err(|problem| match problem {
            Problem::Option(mistake) => config.data_mistake(origin, &mistake),
            Problem::File(error) => error,
        })
    }

    /// The task of a configuration whose images are open.
    ///
    /// # Errors
    /// If these images cannot be asked for these properties.
    pub fn with_source(config: &Config, source: &Arc<dyn Source>, origin: &str) -> Result<Self> {
        let mut task = Self::restore(config, source.images(), source.look(), origin)?;
        task.labels = source.labels();
        let known = source.known();
        let at = |column: &Column| known.iter().position(|(name, _)| *name == column.name);
        if let Some(places) = task.columns.iter().map(at).collect() {
            task.drawn = Some(Drawn { source: source.clone(), known, places });
        }
        Ok(task)
    }

    /// The task of a configuration on images that are described and not at hand.
    ///
    /// # Errors
    /// If these images cannot be asked for these properties.
    pub fn restore(config: &Config, images: Images, look: Look, origin: &str) -> Result<Self> {
        if nn::base(images.size).is_none() {
            return Err(config.data_mistake(origin, &("size", nn::advice(images.size))));
        }
        if config.net.latent_map && look == Look::Figures {
            let problem = "figures are not made cell by cell: a latent map is for textures".into();
            return Err(config.net_mistake(origin, &("latent_map", problem)));
        }
        Self::ask(config, images, look, origin)
    }

    /// The same task on images of another size, which a generator of latent maps makes.
    ///
    /// # Errors
    /// If images of that size cannot be asked for these properties, or have other numbers.
    pub fn resized(&self, config: &Config, size: [usize; 2], origin: &str) -> Result<Self> {
        let asked = Self::ask(config, Images { size, ..self.images }, self.look, origin)?;
        if asked.names() != self.names() {
            let problem = format!("{origin}: a property has other numbers at that size than in training");
            return Err(Error::Usage(problem));
        }
        Ok(Self {
            images: asked.images,
            properties: asked.properties,
            columns: asked.columns,
            ..self.clone()
        })
    }

    /// Properties asked of images that no configuration is of; `origin` is named in errors.
    ///
    /// # Errors
    /// If these images cannot be asked for these properties.
    pub fn asked(asks: &[Ask], images: Images, origin: &str) -> Result<Self> {
        let mut config = Config::preset("two-phase")?;
        config.asks = asks.to_vec();
        Self::ask(&config, images, Look::Phases, origin)
    }

    /// Asks images of any size.
    fn ask(config: &Config, images: Images, look: Look, origin: &str) -> Result<Self> {
        let mut properties = Vec::new();
        let mut columns: Vec<Column> = Vec::new();
        for (i, ask) in config.asks.iter().enumerate() {
            let property = ask.of(&images).map_err(|mistake| config.ask_mistake(origin, i, &mistake))?;
            let named = ask.well_named() && !property.columns().iter().any(|c| target::is_taken(&c.name));
            if !named {
                let problem = "must be a word that tables have no other column of: letters, digits, _ and -";
                return Err(config.ask_mistake(origin, i, &("name", problem.into())));
            }
            for column in property.columns() {
                if columns.iter().any(|c| c.name == column.name) {
                    let problem = format!(
                        "two numbers are called {}: give one of the properties a name of its own",
                        column.name
                    );
                    return Err(config.ask_mistake(origin, i, &("name", problem)));
                }
                columns.push(column.clone());
            }
            properties.push(property);
        }
        if config.asks.iter().enumerate().any(|(i, a)| config.asks[..i].iter().any(|b| a.name() == b.name()))
        {
            let problem = "two properties have one name: give one of them a name of its own";
            return Err(Error::Usage(format!("{origin}: {problem}")));
        }
        let asks = config.asks.clone();
        Ok(Self {
            images,
            look,
            labels: Vec::new(),
            asks,
            properties,
            columns,
            drawn: None,
            table: Arc::new([]),
        })
    }

    /// The same with measured numbers to draw targets from; rows of which a number is missing are
    /// left out.
    ///
    /// # Errors
    /// If no row is whole.
    ///
    /// # Panics
    /// If it is not whole rows.
    pub fn with_table(mut self, rows: &[f32]) -> Result<Self> {
        let width = self.columns.len();
        assert!(rows.len().is_multiple_of(width), "rows have {width} numbers");
        let whole = rows.chunks_exact(width).filter(|row| row.iter().all(|v| v.is_finite()));
        self.table = whole.flatten().copied().collect();
        if self.table.is_empty() {
            let problem = "no image held out has all the numbers asked for: leave one out";
            return Err(Error::Usage(problem.into()));
        }
        Ok(self)
    }

    /// The same with what each class was.
    #[must_use]
    pub fn with_labels(self, labels: Vec<f64>) -> Self {
        Self { labels, ..self }
    }

    /// What each class was in the files that the images are from; empty where nothing was.
    #[must_use]
    pub fn labels(&self) -> &[f64] {
        &self.labels
    }

    /// Whether targets come from a table of measured numbers.
    #[must_use]
    pub fn needs_table(&self) -> bool {
        self.drawn.is_none()
    }

    /// The table of measured numbers, `[M, P]`.
    #[must_use]
    pub fn table(&self) -> &[f32] {
        &self.table
    }

    /// What the images are.
    #[must_use]
    pub fn images(&self) -> &Images {
        &self.images
    }

    /// What kind of picture they are.
    #[must_use]
    pub fn look(&self) -> Look {
        self.look
    }

    /// What is asked of them, as it is configured.
    #[must_use]
    pub fn asks(&self) -> &[Ask] {
        &self.asks
    }

    /// What is asked of them.
    #[must_use]
    pub fn properties(&self) -> &[Property] {
        &self.properties
    }

    /// All numbers asked for, property by property: P of them.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Their names.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.columns.iter().map(|c| c.name.clone()).collect()
    }

    /// Each property with the place of its first column.
    pub fn placed(&self) -> impl Iterator<Item = (&Property, usize)> {
        self.properties.iter().scan(0, |start, property| {
            let first = *start;
            *start += property.columns().len();
            Some((property, first))
        })
    }

    /// The numbers asked for that are shares of classes: (number, class). Of a class that several numbers
    /// are the share of, the first.
    #[must_use]
    pub fn shares(&self) -> Vec<(usize, usize)> {
        let mut found: Vec<(usize, usize)> = Vec::new();
        for (number, class) in self.all_shares() {
            if found.iter().all(|&(_, known)| known != class) {
                found.push((number, class));
            }
        }
        found
    }

    /// The same with every number that is the share of a class.
    fn all_shares(&self) -> impl Iterator<Item = (usize, usize)> {
        self.placed().flat_map(|(property, first)| {
            let share = move |i| Some((first + i, property.invariance().share(i)?));
            (0..property.columns().len()).filter_map(share)
        })
    }

    /// The target with a share that one number of a class gives in its other numbers too.
    fn agreed(&self, target: &[Option<f32>]) -> Result<Vec<Option<f32>>, String> {
        let mut agreed = target.to_vec();
        for (number, class) in self.all_shares() {
            let Some(given) = target[number] else { continue };
            for (other, _) in self.all_shares().filter(|&(other, its)| its == class && other != number) {
                let same = self.same_share(number, given, other);
                match target[other] {
                    None => agreed[other] = Some(same),
                    Some(v) if (v - same).abs() <= SAME_SHARE * same.abs().max(v.abs()) => {}
                    Some(v) => {
                        let [a, b] = [number, other].map(|i| &self.columns[i].name);
                        return Err(format!(
                            "{a} = {given} and {b} = {v} are impossible together: both say what class {class} fills"
                        ));
                    }
                }
            }
        }
        Ok(agreed)
    }

    /// What number `other` is where number `at`, a share of the same class, is `value`.
    fn same_share(&self, at: usize, value: f32, other: usize) -> f32 {
        let placed = |number: usize| {
            let of = |(property, first): &(&Property, usize)| {
                (*first..first + property.columns().len()).contains(&number)
            };
            self.placed().find(of).expect("every number is of a property")
        };
        let (property, first) = placed(at);
        let mut numbers = vec![0.0; property.columns().len()];
        numbers[at - first] = value;
        let share = property.invariance().normalised(&numbers)[at - first];
        let (property, first) = placed(other);
        property.invariance().in_units(&vec![share; property.columns().len()])[other - first]
    }

    /// The figures that a row of numbers `[P]` asks for; none where it does not ask for figures.
    #[must_use]
    pub fn figures(&self, row: &[f32]) -> Option<Vec<Figure>> {
        let drawn = self.drawn.as_ref()?;
        drawn.source.figures(&|name| {
            let at = self.columns.iter().position(|c| c.name == name)?;
            Some(f64::from(row[at]))
        })
    }

    /// Refuses numbers that no image can have.
    ///
    /// # Errors
    /// Names `origin`, the number and what is possible.
    pub fn check(&self, target: &[Option<f32>], origin: &str) -> Result<()> {
        for (column, value) in self.columns.iter().zip(target) {
            let (low, high) = column.possible;
            if let Some(v) = value.filter(|&v| !(low..=high).contains(&f64::from(v))) {
                let (low, high) = (low as f32, high as f32);
                let unit = if column.unit.is_empty() { String::new() } else { format!(" {}", column.unit) };
                return Err(Error::usage(format!(
                    "{origin}: {} = {v} is impossible: it is from {low} to {high}{unit}",
                    column.name
                )));
            }
        }
        Ok(())
    }

    /// Fills the numbers that a target leaves open. `row` comes from the distribution of the data; it
    /// is sample `index` of a seed.
    ///
    /// What is independent keeps the row's numbers. Numbers that hang together come from one of the images that are
    /// nearest in what is given, and follow it from there; what is given stays as it is given.
    ///
    /// # Errors
    /// If the numbers given cannot be; `origin` is named.
    pub fn complete(
        &self,
        target: &[Option<f32>],
        row: &mut [f32],
        (seed, index): (u64, usize),
        origin: &str,
    ) -> Result<()> {
        self.check(target, origin)?;
        let target =
            &self.agreed(target).map_err(|problem| Error::usage(format!("{origin}: {problem}")))?[..];
        let open = |(property, first): (&Property, usize)| {
            let count = property.columns().len();
            property.invariance().joint() && target[first..first + count].iter().any(Option::is_none)
        };
        if self.needs_table() && target.iter().any(Option::is_some) && self.placed().any(open) {
            row.copy_from_slice(self.nearest(target, seed, index));
        }
        for (property, first) in self.placed() {
            let columns = first..first + property.columns().len();
            property
                .invariance()
                .complete(&target[columns.clone()], &mut row[columns])
                .map_err(|problem| Error::usage(format!("{origin}: {problem}")))?;
        }
        Ok(())
    }

    /// Numbers `[N, P]` in a person's units, normalised.
    #[must_use]
    pub fn normalised(&self, rows: &[f32]) -> Vec<f64> {
        let width = self.columns.len();
        rows.chunks_exact(width)
            .flat_map(|row| {
                self.placed().flat_map(|(property, first)| {
                    property.invariance().normalised(&row[first..first + property.columns().len()])
                })
            })
            .collect()
    }

    /// Normalised numbers `[N, P]` in a person's units.
    #[must_use]
    pub fn in_units(&self, rows: &[f64]) -> Vec<f32> {
        let width = self.columns.len();
        rows.chunks_exact(width)
            .flat_map(|row| {
                self.placed().flat_map(|(property, first)| {
                    property.invariance().in_units(&row[first..first + property.columns().len()])
                })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn task(preset: &str) -> Task {
        Task::of(&Config::preset(preset).unwrap(), "test").unwrap()
    }

    #[test]
    fn normalised_numbers_and_those_in_units_are_inverse() {
        for preset in ["circles", "circle-square"] {
            let task = task(preset);
            let asked = task.sample_targets(50, 7);
            assert_eq!(asked.len(), 50 * 6);
            let back = task.in_units(&task.normalised(&asked));
            for (a, b) in asked.iter().zip(&back) {
                assert!((a - b).abs() < 1e-4 * a.abs(), "{a} {b}");
            }
            assert_eq!(task.figures(&asked[..6]).map(|f| f.len()), Some(2));
        }
    }

    #[test]
    fn priors_cover_the_range_of_the_data() {
        let task = task("two-phase-p1").with_table(&[0.2, 0.9, 0.4]).unwrap();
        let rows = task.prior(1000, 1);
        assert!(rows.iter().all(|p| (0.2..=0.9).contains(p)) && rows.iter().any(|p| *p > 0.85));
        assert_eq!(task.prior(9, 2), task.prior(9, 2));
        // With a curve beside it only images know what goes together.
        let task = self::task("two-phase");
        let row: Vec<f32> = (0..task.columns().len()).map(|i| 0.5 / (i + 1) as f32).collect();
        let task = task.with_table(&row).unwrap();
        assert_eq!(task.prior(3, 1), row.repeat(3));
    }

    #[test]
    fn open_numbers_come_from_an_image_that_has_those_given() {
        let mut config = Config::preset("two-phase-p2").unwrap();
        config.set("bins=2", "test").unwrap();
        let rows: Vec<f32> = (0..64).flat_map(|i| [0.2 + 0.01 * i as f32, 0.1 + 0.005 * i as f32]).collect();
        let task = Task::of(&config, "test").unwrap().with_table(&rows).unwrap();
        let mut row = [0.0; 2];
        task.complete(&[Some(0.4), None], &mut row, (1, 0), "--target").unwrap();
        assert!((row[0] - 0.4).abs() < 1e-6 && (row[1] - 0.2).abs() < 1e-6, "{row:?}");
        task.complete(&[Some(0.4), Some(0.3)], &mut row, (1, 0), "--target").unwrap();
        assert_eq!(row, [0.4, 0.3]);
        // What no row has is asked for as it is given, and what is open comes along.
        task.complete(&[None, Some(0.1612)], &mut row, (1, 0), "--target").unwrap();
        assert!(row[1] == 0.1612 && (row[0] - 0.3212).abs() < 1e-6, "{row:?}");
        let problem = task.complete(&[Some(0.4), Some(0.6)], &mut row, (1, 0), "--target").unwrap_err();
        let wanted = "--target: a correlation of 0.6 at distance 1 is impossible where the class fills 0.4: it is from 0 to 0.4";
        assert_eq!(problem.to_string(), wanted);
        let problem = task.complete(&[Some(40.0), None], &mut row, (1, 0), "--target").unwrap_err();
        assert_eq!(problem.to_string(), "--target: s0 = 40 is impossible: it is from 0 to 1");
        assert!(task.clone().with_table(&[f32::NAN; 4]).is_err());
    }

    #[test]
    fn one_share_has_one_number_whatever_it_is_called() {
        let mut config = Config::preset("two-phase").unwrap();
        config.set("bins=3", "test").unwrap();
        let task = Task::of(&config, "test").unwrap().with_table(&[0.31, 0.31, 0.25, 0.2]).unwrap();
        let mut row = [0.0; 4];
        task.complete(&[Some(0.3), None, None, None], &mut row, (1, 0), "--target").unwrap();
        assert!(row.iter().zip([0.3, 0.3, 0.24, 0.19]).all(|(a, b)| (a - b).abs() < 1e-6), "{row:?}");
        task.complete(&[None, Some(0.3), None, Some(0.21)], &mut row, (1, 0), "--target").unwrap();
        assert!(row.iter().zip([0.3, 0.3, 0.25, 0.21]).all(|(a, b)| (a - b).abs() < 1e-6), "{row:?}");
        let wrong = |target: [Option<f32>; 4]| {
            task.complete(&target, &mut [0.0; 4], (1, 0), "--target").unwrap_err().to_string()
        };
        let problem = wrong([Some(0.3), Some(0.5), None, None]);
        assert_eq!(
            problem,
            "--target: p1 = 0.3 and s0 = 0.5 are impossible together: both say what class 1 fills"
        );
        assert!(wrong([Some(0.3), None, None, Some(0.9)]).contains("from 0 to 0.3"));
        assert!(wrong([Some(0.9), None, None, Some(0.5)]).contains("from 0.79"));
    }

    #[test]
    fn names_are_words_that_tables_have_no_other_column_of() {
        for name in ["a,b", "within", "asked_p1", "1st", "a b"] {
            let mut config = Config::preset("two-phase-p1").unwrap();
            let set = config.set(&format!("ask.fraction.name={name}"), "test");
            let problem = set.and_then(|()| Task::of(&config, "test").map(drop)).unwrap_err().to_string();
            assert!(problem.contains("name = ") && problem.contains("a word"), "{problem}");
        }
    }

    #[test]
    fn an_angle_is_near_another_the_short_way_round() {
        // The curve hangs together, so that what is left open comes from one row.
        let text = "data = \"circles\"\n[[ask]]\nproperty = \"second-moments\"\n[[ask]]\nproperty = \
                    \"correlation\"\nbins = 1\n";
        let task = Task::of(&Config::from_toml(text, "test").unwrap(), "test").unwrap();
        assert_eq!(task.names(), ["angle1", "aspect1", "angle2", "aspect2", "s0"]);
        let rows = [[-89.0, 3.0, 0.0, 1.5, 0.1], [60.0, 2.0, 10.0, 1.5, 0.2], [0.0, 4.0, 20.0, 1.5, 0.3]];
        let task = task.with_table(rows.as_flattened()).unwrap();
        let mut row = [0.0; 5];
        task.complete(&[Some(88.0), None, None, None, None], &mut row, (1, 0), "--target").unwrap();
        assert_eq!(row, [88.0, 3.0, 0.0, 1.5, 0.1]);
    }

    #[test]
    fn numbers_count_over_their_ranges_when_rows_are_near() {
        let text = "data = \"circles\"\n[[ask]]\nproperty = \"second-moments\"\n[[ask]]\nproperty = \
                    \"correlation\"\nbins = 2\n";
        let task = Task::of(&Config::from_toml(text, "test").unwrap(), "test").unwrap();
        let rows = [
            [10.0, 3.0, 0.0, 1.5, 0.1, 0.05],
            [30.0, 2.0, 10.0, 1.5, 0.34, 0.17],
            [80.0, 4.0, 20.0, 1.5, 0.1, 0.05],
        ];
        let task = task.with_table(rows.as_flattened()).unwrap();
        let mut row = [0.0; 6];
        // Of degrees the first is nearest, by much more than the share is missed.
        let wanted = [Some(12.0), None, None, None, Some(0.35), None];
        task.complete(&wanted, &mut row, (1, 0), "--target").unwrap();
        // A curve is that of its row, as far from it as what is given is.
        let near = [12.0, 2.0, 10.0, 1.5, 0.35, 0.18];
        assert!(row.iter().zip(near).all(|(a, b): (&f32, f32)| (a - b).abs() < 1e-6), "{row:?}");
    }

    #[test]
    fn latent_maps_are_for_textures() {
        let set = |preset| Config::preset(preset).unwrap().set("net.latent_map=true", "--set");
        assert!(set("two-phase").is_ok() && set("polycrystal").is_ok());
        let problem = set("circles").unwrap_err().to_string();
        assert!(problem.starts_with("--set: net.latent_map = true: figures"), "{problem}");
    }

    #[test]
    fn targets_are_rows_of_the_table() {
        let task = task("polycrystal").with_table(&[0.2; 10]).unwrap();
        assert_eq!(task.sample_targets(3, 1), [0.2; 15]);
        assert_eq!(task.range(2), (f64::from(0.2f32), f64::from(0.2f32)));
    }
}
