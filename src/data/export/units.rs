//! Numbers in the unit of length of a file, beside those in pixels.
//!
//! A pixel is `spacing` wide and high. The corner of pixel (0, 0) is the origin, x to the right and y
//! downward, so that the centre of a pixel c is at (c + 0.5) spacing:
//!
//! | quantity | in pixels | column | in the unit |
//! | --- | --- | --- | --- |
//! | position | `cx1` | `cx1_um` | (cx1 + 0.5) spacing |
//! | length | `r1` | `r1_um` | r1 spacing |
//! | area | `area1` | `area1_um2` | area1 spacing^2 |
//! | per length | `interface` | `interface_per_um` | interface / spacing |
//!
//! A unit of `px` adds no columns, and a share of the image has no unit.

/// What a number is, as far as a unit of length concerns it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Quantity {
    /// A share, an angle, a name: nothing that a length changes.
    #[default]
    Share,
    /// A length.
    Length,
    /// A coordinate; pixel centres are at 0, 1, ...
    Position,
    /// An area.
    Area,
    /// A number for each length.
    PerLength,
}

impl Quantity {
    /// What a number with that unit is; `position` says whether it is a coordinate.
    #[must_use]
    pub fn of(unit: &str, position: bool) -> Self {
        match unit {
            "px" if position => Self::Position,
            "px" => Self::Length,
            "px^2" | "px2" | "px²" => Self::Area,
            "1/px" | "px^-1" => Self::PerLength,
            _ => Self::Share,
        }
    }

    /// What a property of a drawn data set is, by its name: `r1`, `cx1`, `cy1`, `area1`.
    #[must_use]
    pub fn of_name(name: &str) -> Self {
        match name.trim_end_matches(|c: char| c.is_ascii_digit()) {
            stem if stem == name => Self::Share,
            "r" => Self::Length,
            "cx" | "cy" => Self::Position,
            "area" => Self::Area,
            _ => Self::Share,
        }
    }
}

/// The physical size of a pixel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Units<'a> {
    /// Side of a pixel in `unit`.
    pub spacing: f64,
    /// Unit of length, for people.
    pub unit: &'a str,
}

impl Units<'_> {
    /// The column of a number in this unit; none if there is none.
    #[must_use]
    pub fn column(&self, name: &str, quantity: Quantity) -> Option<String> {
        let unit = self.unit;
        match quantity {
            _ if unit == "px" => None,
            Quantity::Share => None,
            Quantity::Length | Quantity::Position => Some(format!("{name}_{unit}")),
            Quantity::Area => Some(format!("{name}_{unit}2")),
            Quantity::PerLength => Some(format!("{name}_per_{unit}")),
        }
    }

    /// A number of pixels in this unit.
    #[must_use]
    pub fn value(&self, pixels: f32, quantity: Quantity) -> f32 {
        let pixels = f64::from(pixels);
        let value = match quantity {
            Quantity::Share => pixels,
            Quantity::Length => pixels * self.spacing,
            Quantity::Position => (pixels + 0.5) * self.spacing,
            Quantity::Area => pixels * self.spacing * self.spacing,
            Quantity::PerLength => pixels / self.spacing,
        };
        value as f32
    }

    /// The side of a pixel in metres, of a unit that says so.
    #[must_use]
    pub fn metres(&self) -> Option<f64> {
        let unit = match self.unit {
            "m" => 1.0,
            "cm" => 1e-2,
            "mm" => 1e-3,
            "um" | "µm" | "μm" | "micron" => 1e-6,
            "nm" => 1e-9,
            _ => return None,
        };
        Some(self.spacing * unit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_pixels_have_places_and_sizes_in_micrometres() {
        let units = Units { spacing: 0.5, unit: "um" };
        let names = ["r1", "cx12", "area2", "p1", "f3", "cx", "rough1"].map(|name| {
            let quantity = Quantity::of_name(name);
            (units.column(name, quantity), units.value(3.0, quantity))
        });
        let some = |name: &str, value| (Some(name.to_owned()), value);
        assert_eq!(names[..3], [some("r1_um", 1.5), some("cx12_um", 1.75), some("area2_um2", 0.75)]);
        assert!(names[3..].iter().all(|(column, value)| column.is_none() && *value == 3.0));
        assert_eq!(units.metres(), Some(5e-7));
        let pixels = Units { spacing: 1.0, unit: "px" };
        assert!(pixels.column("r1", Quantity::Length).is_none() && pixels.metres().is_none());
        for (unit, quantity) in
            [("1/px", Quantity::PerLength), ("px²", Quantity::Area), ("px2", Quantity::Area)]
        {
            assert_eq!(Quantity::of(unit, false), quantity);
        }
    }
}
