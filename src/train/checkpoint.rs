//! Everything a run changes, as named tensors in a safetensors file.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use super::description::Description;
use crate::data::export::write_atomically;
use crate::error::{Error, Result};
use crate::op::{DType, LeafId};
use crate::store::Store;

/// One tensor, as it lies in memory.
#[derive(Clone, PartialEq, Debug)]
struct Tensor {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

/// Parameters, optimiser moments, generator state and iteration of a run, and what the run is.
#[derive(Clone, PartialEq, Debug)]
pub struct Checkpoint {
    description: Description,
    tensors: BTreeMap<String, Tensor>,
}

/// The key of the description in the file's metadata: the only one, so that equal runs have equal
/// bytes.
const DESCRIPTION: &str = "invnet";

impl Checkpoint {
    /// The leaves of a store, without those in `except`.
    ///
    /// # Errors
    /// If the device fails.
    pub fn take(store: &mut Store, except: &[LeafId], description: Description) -> Result<Self> {
        let mut tensors = BTreeMap::new();
        for index in (0..store.leaves().len()).filter(|&i| !except.contains(&LeafId(i))) {
            let leaf = &store.leaves()[index];
            let (name, shape) = (leaf.name.clone(), leaf.shape.to_vec());
            let dtype = match leaf.dtype {
                DType::Real => {
                    if store.element_bytes(DType::Real) == 8 {
                        Dtype::F64
                    } else {
                        Dtype::F32
                    }
                }
                DType::U8 => Dtype::U8,
                DType::U32 => Dtype::U32,
                DType::Bf16 => unreachable!("{name}: plans alone store in bf16"),
            };
            tensors.insert(name, Tensor { dtype, shape, bytes: store.read_bytes(LeafId(index))? });
        }
        Ok(Self { description, tensors })
    }

    /// What the run is.
    #[must_use]
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// Writes every leaf that is not in `except`; `path` is named in errors.
    ///
    /// # Errors
    /// If a tensor is missing or has another shape or type than the leaf.
    pub fn restore(&self, store: &mut Store, except: &[LeafId], path: &Path) -> Result<()> {
        for index in (0..store.leaves().len()).filter(|&i| !except.contains(&LeafId(i))) {
            let leaf = &store.leaves()[index];
            let Some(tensor) = self.tensors.get(&leaf.name) else {
                return Err(Error::file(
                    path,
                    format!("no tensor {}: the checkpoint is of another network", leaf.name),
                ));
            };
            let expected = leaf.shape.numel() * store.element_bytes(leaf.dtype);
            if tensor.shape != *leaf.shape || tensor.bytes.len() != expected {
                let problem = format!(
                    "tensor {} is {:?}, the configuration says {:?}: did config.toml, its data or invnet change?",
                    leaf.name, tensor.shape, leaf.shape
                );
                return Err(Error::file(path, problem));
            }
            store.write_bytes(LeafId(index), &tensor.bytes)?;
        }
        Ok(())
    }

    /// The values of a single-precision tensor.
    #[must_use]
    pub fn values(&self, name: &str) -> Option<Vec<f64>> {
        let tensor = self.tensors.get(name).filter(|t| t.dtype == Dtype::F32)?;
        Some(
            tensor
                .bytes
                .chunks_exact(4)
                .map(|b| f64::from(f32::from_le_bytes([b[0], b[1], b[2], b[3]])))
                .collect(),
        )
    }

    /// The first number of a single-precision tensor that is not finite, and the tensor's name.
    #[must_use]
    pub fn not_finite(&self) -> Option<(&str, f64)> {
        let real = self.tensors.iter().filter(|(_, t)| t.dtype == Dtype::F32);
        real.into_iter().find_map(|(name, tensor)| {
            let mut values =
                tensor.bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
            values.find(|v| !v.is_finite()).map(|v| (name.as_str(), f64::from(v)))
        })
    }

    /// Writes the file under a temporary name, then renames it.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let views: Vec<(&String, TensorView<'_>)> = self
            .tensors
            .iter()
            .map(|(name, t)| {
                let view = TensorView::new(t.dtype, t.shape.clone(), &t.bytes);
                (name, view.expect("a leaf has as many bytes as its shape says"))
            })
            .collect();
        let about = [(DESCRIPTION.to_owned(), self.description.to_text())].into();
        let bytes = safetensors::serialize(views, Some(about))
            .map_err(|e| Error::file(path, format!("cannot be encoded: {e}")))?;
        write_atomically(path, |file| file.write_all(&bytes))
    }

    /// Reads a file.
    ///
    /// # Errors
    /// If it cannot be read or is damaged.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|e| Error::io(path, e))?;
        if bytes.get(8) != Some(&b'{') {
            let problem = "is no checkpoint: give the folder of a run, or its checkpoint.safetensors";
            return Err(Error::file(path, problem));
        }
        let damaged = |e| Error::file(path, format!("damaged checkpoint ({e}): train the run again"));
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(damaged)?;
        let text = header.metadata().as_ref().and_then(|about| about.get(DESCRIPTION));
        let text = text.ok_or_else(|| {
            Error::file(
                path,
                "does not say what run it is of: it is no checkpoint of this invnet; train again",
            )
        })?;
        let description = Description::parse(text, &path.display().to_string())?;
        let file = SafeTensors::deserialize(&bytes).map_err(damaged)?;
        let tensors = file
            .iter()
            .map(|(name, view)| {
                let tensor =
                    Tensor { dtype: view.dtype(), shape: view.shape().to_vec(), bytes: view.data().to_vec() };
                (name.to_owned(), tensor)
            })
            .collect();
        Ok(Self { description, tensors })
    }
}
