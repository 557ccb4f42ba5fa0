//! What the description of a page says of the images of its file.
//!
//! ImageJ writes lines of `key=value`, OME an XML document, tifffile a JSON object.

/// Tags that the decoder has no name for.
pub(super) const SUBFILE_TYPE: u16 = 255;
pub(super) const FILL_ORDER: u16 = 266;
pub(super) const DEPTH: u16 = 32_997;
pub(super) const METAMORPH: u16 = 33_629;

/// How many images a description speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stack {
    /// Whose description it is.
    pub by: &'static str,
    pub images: usize,
    /// More than one if the images are of several kinds.
    pub channels: usize,
}

/// What a description says, if it is one of a stack whose images have so many numbers.
///
/// # Errors
/// In words, where there are several series of images, or the description is elsewhere.
pub(super) fn described(text: &str, numbers: usize) -> Result<Option<Stack>, String> {
    let text = text.trim_start_matches('\u{feff}').trim();
    if text.starts_with("ImageJ=") {
        return imagej(text).map(Some);
    }
    if text.starts_with('<') && text.contains("OME") {
        return ome(text);
    }
    Ok(tifffile(text, numbers))
}

fn imagej(text: &str) -> Result<Stack, String> {
    let number = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        line.and_then(|value| value.trim().parse::<usize>().ok())
    };
    let of = |key: &str| number(key).unwrap_or(1).max(1);
    Ok(Stack { by: "ImageJ", images: of("images"), channels: of("channels") })
}

fn ome(text: &str) -> Result<Option<Stack>, String> {
    let document = match roxmltree::Document::parse(text) {
        Ok(document) if document.root_element().tag_name().name() == "OME" => document,
        Ok(_) => return Ok(None),
        Err(e) => {
            return Err(format!(
                "has an OME description that cannot be read ({e}): save it as a plain stack"
            ));
        }
    };
    let named = |name: &'static str| document.descendants().filter(move |n| n.tag_name().name() == name);
    if named("BinaryOnly").next().is_some() {
        return Err("has its OME description in another file: save it as a plain stack".into());
    }
    let mut images = named("Pixels");
    let (Some(pixels), None) = (images.next(), images.next()) else {
        return Err("has several images by its OME description: save the one that shows the classes".into());
    };
    let number = |key: &str| pixels.attribute(key).and_then(|value| value.parse::<usize>().ok()).unwrap_or(1);
    // Colours of one pixel count as channels of it.
    let colours =
        named("Channel").find_map(|c| c.attribute("SamplesPerPixel")?.parse::<usize>().ok()).unwrap_or(1);
    let channels = (number("SizeC") / colours.max(1)).max(1);
    let images = number("SizeZ").saturating_mul(number("SizeT")).saturating_mul(channels).max(1);
    Ok(Some(Stack { by: "OME", images, channels }))
}

fn tifffile(text: &str, numbers: usize) -> Option<Stack> {
    let description: serde_json::Value = serde_json::from_str(text).ok()?;
    let shape = description.get("shape")?.as_array()?;
    let all = shape.iter().try_fold(1u64, |product, n| product.checked_mul(n.as_u64()?))?;
    let images = all.checked_div(numbers as u64)?;
    // Other numbers are of colours.
    let whole = images * numbers as u64 == all && images > 0 && shape.last()?.as_u64()? > 4;
    whole.then_some(Stack { by: "tifffile", images: images as usize, channels: 1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptions_say_how_many_images_there_are() {
        let of = |by, images, channels| Ok(Some(Stack { by, images, channels }));
        assert_eq!(described("ImageJ=1.53t\nimages=7\nslices=7\nunit=um\n", 4), of("ImageJ", 7, 1));
        assert_eq!(described("ImageJ=1.53t\nunit=um\n", 4), of("ImageJ", 1, 1));
        assert_eq!(described("ImageJ=1.53t\nimages=8\nchannels=2\n", 4), of("ImageJ", 8, 2));
        assert_eq!(described("taken on a Monday, 12 images", 4), Ok(None));
        assert_eq!(described("", 4), Ok(None));
        let ome = |inner: &str| format!("<?xml version=\"1.0\"?><OME xmlns=\"http://x\">{inner}</OME>");
        let pixels = |c, z| format!("<Image><Pixels SizeC='{c}' SizeZ='{z}' SizeT='2'/></Image>");
        assert_eq!(described(&ome(&pixels(1, 3)), 4), of("OME", 6, 1));
        assert_eq!(described(&ome(&pixels(2, 3)), 4), of("OME", 12, 2));
        assert!(described(&ome(&(pixels(1, 3) + &pixels(1, 1))), 4).expect_err("two").contains("several"));
        assert!(described(&ome("<BinaryOnly/>"), 4).expect_err("elsewhere").contains("another file"));
        assert!(described("<OME><Image", 4).expect_err("damaged").contains("cannot be read"));
        assert_eq!(described("<html>OME</html>", 4), Ok(None));
        assert_eq!(described("{\"shape\": [3, 8, 8], \"truncated\": true}", 64), of("tifffile", 3, 1));
        assert_eq!(described("{\"shape\": [8, 8, 3]}", 64), Ok(None));
        assert_eq!(described("{\"shape\": [8, 8]}", 64), of("tifffile", 1, 1));
        assert_eq!(described("{\"shape\": [3, 8, 8]}", 3 * 64), of("tifffile", 1, 1));
    }
}
