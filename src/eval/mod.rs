//! Looking at what a generator made: measures of its figures, and pictures of them.
//!
//! Everything here works on class maps (a class number per pixel) and on plain numbers. Nothing
//! knows how an image came about, so the same measures apply to real, generated and foreign data.

mod canvas;
pub mod descriptors;
pub mod figures;
pub mod grid;
pub mod lines;
pub mod neighbours;
pub mod obedience;
pub mod palette;
pub mod plot;
pub mod report;
pub mod shapes;
pub mod variety;
pub mod view;
