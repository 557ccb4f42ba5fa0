//! What the axes of an array are.

/// Images in an array: how many, rows and columns of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub count: usize,
    pub height: usize,
    pub width: usize,
}

/// What an array with two axes is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum TwoAxes {
    /// One image `[H, W]`.
    Image,
    /// A row of `H * W` values for each image; images are square unless their shape is given.
    Rows,
}

/// Images in an array of the given shape: `[N, H, W]`, `[N, H, W, 1]`, or two axes; `asked` is the
/// rows and columns the user states.
///
/// # Errors
/// What is wrong with the shape, in words.
pub(super) fn layout(shape: &[usize], asked: Option<[usize; 2]>, two: TwoAxes) -> Result<Layout, String> {
    let layout = match (shape, asked) {
        (&[count, height, width] | &[count, height, width, 1], asked) => {
            if let Some([h, w]) = asked.filter(|&a| a != [height, width]) {
                return Err(format!("its images are {height} x {width}, not --shape {h}x{w}"));
            }
            Layout { count, height, width }
        }
        (&[height, width], Some(asked)) if [height, width] == asked => Layout { count: 1, height, width },
        (&[count, values], Some([height, width])) => {
            if height * width != values {
                return Err(format!(
                    "a row holds {values} values, and --shape {height}x{width} is {}",
                    height * width
                ));
            }
            Layout { count, height, width }
        }
        (&[count, values], None) if two == TwoAxes::Rows => {
            let side = values.isqrt();
            if side * side != values {
                return Err(format!(
                    "a row holds {values} values, which is no square image: give --shape H,W"
                ));
            }
            Layout { count, height: side, width: side }
        }
        (&[height, width], None) => Layout { count: 1, height, width },
        _ => return Err(format!("its shape is {shape:?}: need [N, H, W] or two axes")),
    };
    let Layout { count, height, width } = layout;
    if count == 0 || height == 0 || width == 0 {
        return Err(format!("is empty: its shape is {shape:?}"));
    }
    if height.checked_mul(width).is_none_or(|n| n > super::MOST_PIXELS) {
        return Err(format!("an image of {height} x {width} is too large"));
    }
    Ok(layout)
}
