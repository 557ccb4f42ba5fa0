//! What outlives a step: parameters, optimiser state, counters, the data set.
//!
//! A [`Store`] owns a device and a list of named leaves in its memory, each in a block of its own,
//! and the one arena that all plans share. A checkpoint is its leaves.

use crate::device::{BufferId, Device, Place, element_bytes};
use crate::error::{Error, Result};
use crate::op::{DType, LeafId};
use crate::shape::Shape;
use crate::tape::{Tape, Var};

/// A named tensor in device memory.
#[derive(Clone, Debug)]
pub struct Leaf {
    /// A dotted name, unique in its store.
    pub name: String,
    /// Extents.
    pub shape: Shape,
    /// Element type.
    pub dtype: DType,
    buffer: BufferId,
}

/// A device and everything that stays in its memory.
pub struct Store {
    device: Box<dyn Device>,
    leaves: Vec<Leaf>,
    arena: Option<BufferId>,
    arena_bytes: usize,
    leaf_bytes: usize,
}

impl Store {
    /// An empty store on a device.
    #[must_use]
    pub fn new(device: impl Device + 'static) -> Self {
        Self::on(Box::new(device))
    }

    /// An empty store on a device chosen at run time.
    #[must_use]
    pub fn on(device: Box<dyn Device>) -> Self {
        Self { device, leaves: Vec::new(), arena: None, arena_bytes: 0, leaf_bytes: 0 }
    }

    /// The device.
    pub fn device(&mut self) -> &mut dyn Device {
        &mut *self.device
    }

    /// The same, to ask it something.
    pub(crate) fn asked(&self) -> &dyn Device {
        &*self.device
    }

    fn add(&mut self, name: &str, shape: Shape, dtype: DType, bytes: &[u8]) -> Result<LeafId> {
        assert!(self.find(name).is_none(), "two leaves named {name}");
        assert!(
            bytes.len() == shape.numel() * self.element_bytes(dtype),
            "{name}: {} bytes for {shape:?}",
            bytes.len()
        );
        let buffer = self.device.alloc(bytes.len())?;
        self.device.upload(buffer, bytes)?;
        self.leaf_bytes += bytes.len();
        self.leaves.push(Leaf { name: name.to_owned(), shape, dtype, buffer });
        Ok(LeafId(self.leaves.len() - 1))
    }

    /// A real tensor, rounded to the device's precision.
    ///
    /// # Errors
    /// If the device fails.
    ///
    /// # Panics
    /// If the name is taken or the number of values does not fit the shape.
    pub fn add_real(&mut self, name: &str, shape: impl Into<Shape>, values: &[f64]) -> Result<LeafId> {
        let bytes = self.encode(values);
        self.add(name, shape.into(), DType::Real, &bytes)
    }

    /// A tensor of zeros.
    ///
    /// # Errors
    /// If the device fails.
    pub fn add_zeros(&mut self, name: &str, shape: impl Into<Shape>) -> Result<LeafId> {
        let shape = shape.into();
        self.add_real(name, shape, &vec![0.0; shape.numel()])
    }

    /// Class labels.
    ///
    /// # Errors
    /// If the device fails.
    pub fn add_u8(&mut self, name: &str, shape: impl Into<Shape>, values: &[u8]) -> Result<LeafId> {
        self.add(name, shape.into(), DType::U8, values)
    }

    /// Words.
    ///
    /// # Errors
    /// If the device fails.
    pub fn add_u32(&mut self, name: &str, shape: impl Into<Shape>, values: &[u32]) -> Result<LeafId> {
        self.add(name, shape.into(), DType::U32, bytemuck::cast_slice(values))
    }

    /// All leaves, in the order they were added.
    #[must_use]
    pub fn leaves(&self) -> &[Leaf] {
        &self.leaves
    }

    /// The leaf of that name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<LeafId> {
        self.leaves.iter().position(|leaf| leaf.name == name).map(LeafId)
    }

    /// The leaf as a variable of a tape.
    pub fn var<'t>(&self, tape: &'t Tape, id: LeafId) -> Var<'t> {
        let leaf = &self.leaves[id.0];
        tape.leaf(id, leaf.shape, leaf.dtype)
    }

    /// Where the leaf lies.
    #[must_use]
    pub fn place(&self, id: LeafId) -> Place {
        let leaf = &self.leaves[id.0];
        Place { buffer: leaf.buffer, offset: 0, shape: leaf.shape, dtype: leaf.dtype }
    }

    /// The bytes of a leaf, as they lie in memory.
    ///
    /// # Errors
    /// If the device fails.
    pub fn read_bytes(&mut self, id: LeafId) -> Result<Vec<u8>> {
        self.read_place(&self.place(id))
    }

    /// Overwrites a leaf.
    ///
    /// # Errors
    /// If the device fails.
    ///
    /// # Panics
    /// If the number of bytes differs.
    pub fn write_bytes(&mut self, id: LeafId, bytes: &[u8]) -> Result<()> {
        let leaf = &self.leaves[id.0];
        assert!(
            bytes.len() == leaf.shape.numel() * self.element_bytes(leaf.dtype),
            "{}: {} bytes",
            leaf.name,
            bytes.len()
        );
        self.device.upload(leaf.buffer, bytes)
    }

    /// The values of a real leaf.
    ///
    /// # Errors
    /// If the device fails.
    pub fn read(&mut self, id: LeafId) -> Result<Vec<f64>> {
        let bytes = self.read_bytes(id)?;
        Ok(self.decode(&bytes))
    }

    /// Overwrites a real leaf.
    ///
    /// # Errors
    /// If the device fails.
    pub fn write(&mut self, id: LeafId, values: &[f64]) -> Result<()> {
        let bytes = self.encode(values);
        self.write_bytes(id, &bytes)
    }

    /// The bytes of a tensor anywhere on the device.
    pub(crate) fn read_place(&mut self, place: &Place) -> Result<Vec<u8>> {
        let mut bytes = vec![0; place.shape.numel() * self.element_bytes(place.dtype)];
        self.device.download(place.buffer, place.offset, &mut bytes)?;
        Ok(bytes)
    }

    /// The arena, at least that large. Its contents do not survive growing.
    pub(crate) fn arena(&mut self, bytes: usize) -> Result<BufferId> {
        if let Some(arena) = self.arena {
            if self.arena_bytes >= bytes {
                return Ok(arena);
            }
            self.device.free(arena);
        }
        let arena = self.device.alloc(bytes).map_err(|error| match error {
            Error::Device { device, problem } => {
                let mib = bytes.div_ceil(1 << 20);
                let problem = format!("{problem} (the results of one step, as planned, need {mib} MiB)");
                Error::Device { device, problem }
            }
            other => other,
        })?;
        (self.arena, self.arena_bytes) = (Some(arena), bytes);
        Ok(arena)
    }

    /// Bytes held on the device: leaves, arena, and the device's own working space.
    #[must_use]
    pub fn device_bytes(&self) -> usize {
        self.leaf_bytes + self.arena_bytes + self.device.workspace_bytes()
    }

    /// Bytes of one element of that type on this device.
    #[must_use]
    pub fn element_bytes(&self, dtype: DType) -> usize {
        element_bytes(dtype, self.device.real_bytes())
    }

    fn encode(&self, values: &[f64]) -> Vec<u8> {
        match self.device.real_bytes() {
            8 => bytemuck::cast_slice(values).to_vec(),
            _ => values.iter().flat_map(|&v| (v as f32).to_ne_bytes()).collect(),
        }
    }

    /// Real numbers from their bytes, in single precision.
    pub(crate) fn decode_single(&self, bytes: &[u8]) -> Vec<f32> {
        match self.device.real_bytes() {
            4 => bytemuck::allocation::pod_collect_to_vec(bytes),
            _ => self.decode(bytes).into_iter().map(|v| v as f32).collect(),
        }
    }

    /// Real numbers from their bytes.
    pub(crate) fn decode(&self, bytes: &[u8]) -> Vec<f64> {
        match self.device.real_bytes() {
            8 => bytemuck::allocation::pod_collect_to_vec(bytes),
            _ => bytemuck::allocation::pod_collect_to_vec::<u8, f32>(bytes)
                .into_iter()
                .map(f64::from)
                .collect(),
        }
    }
}
