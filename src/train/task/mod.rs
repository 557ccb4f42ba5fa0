//! What a run needs of its images and of the properties asked of them, in one small struct.
//!
//! Targets come from one of two places. Where a formula gives the distribution of all the numbers
//! asked for (radii and centres of drawn figures), they are drawn from it. Elsewhere only images know
//! which numbers go together, so they are rows of a table measured on images that training never
//! sees, and every asked set of numbers can be realised.

mod complete;
mod supply;

use std::sync::Arc;

use super::config::Config;
use super::target;
use crate::data::figure::Figure;
use crate::data::source::{Known, Look, Problem, Source};
use crate::error::{Error, Result};
use crate::invariance::{Ask, Column, Images, Property};
use crate::nn;
use crate::op::{Border, Symmetry};

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
    /// How they are moved in training.
    symmetry: Symmetry,
    /// What each class was in the files that the images are from, or empty.
    labels: Vec<f64>,
    asks: Vec<Ask>,
    properties: Vec<Property>,
    columns: Vec<Column>,
    /// Where a formula gives all the numbers asked for.
    drawn: Option<Drawn>,
    /// Numbers of real images, `[M, P]`; empty where a formula gives targets.
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
        task.symmetry = config.train.augment.of(source.symmetry());
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
        if config.net.minibatch_std == 1 {
            let problem = "no image differs from itself: give at least 2, or 0 for none".into();
            return Err(config.net_mistake(origin, &("minibatch_std", problem)));
        }
        let symmetry = config.train.augment.of(Symmetry::default());
        if symmetry.shifts && images.border != Border::Periodic {
            let problem = "these images do not repeat: what lies beyond an edge is not what lies at the other, so \
                           leave out shifts";
            return Err(config.train_mistake(origin, &("augment", problem.into())));
        }
        if symmetry.rotations && images.size[0] != images.size[1] {
            let [h, w] = images.size;
            let problem = format!("images of {h} x {w} are no squares: leave out rotations");
            return Err(config.train_mistake(origin, &("augment", problem)));
        }
        Ok(Self { symmetry, ..Self::ask(config, images, look, origin)? })
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
            symmetry: Symmetry::default(),
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
            let problem = "no image has all the numbers asked for: leave one out";
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

    /// How they are moved in training, each time that they are seen.
    #[must_use]
    pub fn symmetry(&self) -> Symmetry {
        self.symmetry
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

    /// The places of the numbers that a name means: one, or all of a property; none if there is no such name.
    #[must_use]
    pub fn named(&self, name: &str) -> Vec<usize> {
        let of = |(property, first): (&Property, usize)| {
            let columns = property.columns().iter().enumerate();
            let named = columns.filter(|(_, column)| name == column.name || name == property.name());
            named.map(|(i, _)| first + i).collect::<Vec<_>>()
        };
        self.placed().flat_map(of).collect()
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

    /// The figures that a row of numbers `[P]` asks for; none where it does not ask for figures.
    #[must_use]
    pub fn figures(&self, row: &[f32]) -> Option<Vec<Figure>> {
        let drawn = self.drawn.as_ref()?;
        drawn.source.figures(&|name| {
            let at = self.columns.iter().position(|c| c.name == name)?;
            Some(f64::from(row[at]))
        })
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
    fn names_are_words_that_tables_have_no_other_column_of() {
        for name in ["a,b", "within", "asked_p1", "1st", "a b"] {
            let mut config = Config::preset("two-phase-p1").unwrap();
            let set = config.set(&format!("ask.fraction.name={name}"), "test");
            let problem = set.and_then(|()| Task::of(&config, "test").map(drop)).unwrap_err().to_string();
            assert!(problem.contains("name = ") && problem.contains("a word"), "{problem}");
        }
    }

    #[test]
    fn images_of_a_world_are_moved_as_it_says_and_others_as_they_are_told() {
        for (preset, set, moves, of_a_file) in [
            ("two-phase", "augment=auto", "shifts+flips+rotations", "none"),
            ("two-phase-p1", "size=64x48", "shifts+flips", "none"),
            ("two-phase", "augment=flips", "flips", "flips"),
            ("polycrystal", "augment=auto", "flips+rotations", "none"),
            ("polycrystal", "periodic=true", "shifts+flips+rotations", "none"),
            ("circles", "augment=auto", "none", "none"),
            ("circles", "augment=rotations", "rotations", "rotations"),
        ] {
            let mut config = Config::preset(preset).unwrap();
            config.set(set, "test").unwrap();
            let task = Task::of(&config, "test").unwrap();
            assert_eq!(task.symmetry().to_string(), moves, "{preset} {set}");
            let own = Task::restore(&config, *task.images(), task.look(), "test").unwrap();
            assert_eq!(own.symmetry().to_string(), of_a_file, "a file, {preset} {set}");
        }
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
