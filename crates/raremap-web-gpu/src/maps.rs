//! Maps on a GPU, and the kernels as functions of them.

use cubecl::bytes::Bytes;
use cubecl::calculate_cube_count_elemwise;
use cubecl::client::Client;
use cubecl::prelude::{BufferArg, CubeCount, CubeDim, TensorBinding};
use cubecl::server::Handle;
use cubecl::zspace::Tiling;
use raremap_tile::{PackedLayer, PackedNorm, TileError};

use crate::kernels::{self, EDGE};

/// Cubes along an axis that every WebGPU device allows.
const MOST_CUBES: usize = 65_535;
/// Units of a cube of the kernels whose units do not work together.
const UNITS: u32 = 64;

/// 32-bit floats on a GPU.
#[derive(Clone)]
pub(crate) struct Buffer {
    client: Client,
    handle: Handle,
    length: usize,
}

/// A map with its channels together: `[batch, height, width, channels]`.
#[derive(Clone)]
pub(crate) struct Map {
    pub buffer: Buffer,
    pub batch: usize,
    pub height: usize,
    pub width: usize,
    pub channels: usize,
}

/// A convolution, or a linear layer, as [`kernels::product`] takes it.
pub(crate) type Layer = PackedLayer<Buffer>;

/// A layer norm.
pub(crate) type Norm = PackedNorm<Buffer>;

impl Buffer {
    /// `numbers` on the device of `client`.
    pub fn new(numbers: Vec<f32>, client: &Client) -> Self {
        let length = numbers.len();
        // A buffer cannot be empty.
        let handle = match length {
            0 => client.empty(size_of::<f32>()),
            _ => client.create(Bytes::from_elems(numbers)),
        };
        Self {
            handle,
            client: client.clone(),
            length,
        }
    }

    /// The numbers of several buffers of one device.
    ///
    /// # Errors
    /// [`TileError::Network`] if the device fails.
    pub async fn read(client: &Client, buffers: Vec<Self>) -> Result<Vec<Vec<f32>>, TileError> {
        let failed = |message: String| TileError::Network { message };
        let handles = buffers.iter().map(|buffer| buffer.handle.clone()).collect();
        // Asynchronous: a synchronous readback panics in the browser.
        let read = client.read_async(handles).await;
        let read = read.map_err(|error| failed(error.to_string()))?;
        let numbers = |(bytes, buffer): (Bytes, Self)| {
            let mut numbers = bytes.try_into_vec::<f32>().or_else(|bytes| {
                let floats = bytes.chunks_exact(size_of::<f32>()).map(<[u8; 4]>::try_from);
                let floats: Result<Vec<_>, _> = floats.map(|float| float.map(f32::from_le_bytes)).collect();
                floats.map_err(|error| failed(error.to_string()))
            })?;
            numbers.truncate(buffer.length);
            Ok(numbers)
        };
        read.into_iter().zip(buffers).map(numbers).collect()
    }

    fn client(&self) -> &Client {
        &self.client
    }

    /// Room for `length` numbers on the same device.
    fn empty_like(&self, length: usize) -> Self {
        Self {
            client: self.client.clone(),
            handle: self.client.empty(length.max(1) * size_of::<f32>()),
            length,
        }
    }

    fn arg(&self) -> BufferArg {
        let binding = TensorBinding {
            handle: self.handle.clone().binding(),
            strides: [1].into(),
            shape: [self.length.max(1)].into(),
            tiling: Tiling::UNTILED,
        };
        binding.into_buffer_arg()
    }
}

impl Map {
    /// Another buffer in the same shape.
    fn with(&self, buffer: Buffer) -> Self {
        Self { buffer, ..self.clone() }
    }

    fn numbers(&self) -> usize {
        self.tokens() * self.channels
    }

    fn tokens(&self) -> usize {
        self.batch * self.height * self.width
    }

    /// Layer norm over the channels.
    pub fn normalize(&self, norm: &Norm) -> Self {
        let output = self.buffer.empty_like(self.numbers());
        let (count, dim) = one_each(self.buffer.client(), self.tokens());
        kernels::layer_norm::launch(
            self.buffer.client(),
            count,
            dim,
            self.buffer.arg(),
            norm.gamma.arg(),
            norm.beta.arg(),
            output.arg(),
            int(self.tokens()),
            int(self.channels),
            norm.epsilon,
        );
        self.with(output)
    }

    /// The layer's convolution of the map.
    pub fn convolve(&self, layer: &Layer, epilogue: Epilogue<'_>) -> Self {
        let strides = [
            self.height * self.width * self.channels,
            self.width * self.channels,
            self.channels,
            1,
        ];
        let size = [self.batch, self.channels, self.height, self.width];
        product(&self.buffer, size, strides, layer, epilogue)
    }

    /// Attention of `self`, the queries, to `context`: keys and values, reduced `ratio` times along each axis, in windows of `window` tokens.
    pub fn attend(&self, context: &Self, heads: usize, ratio: usize, window: usize) -> Self {
        let head_dim = self.channels / heads;
        let output = self.buffer.empty_like(self.numbers());
        let units = self.tokens() * heads;
        let (count, dim) = one_each(self.buffer.client(), units);
        kernels::attention::launch(
            self.buffer.client(),
            count,
            dim,
            self.buffer.arg(),
            context.buffer.arg(),
            output.arg(),
            int(units),
            int(self.height),
            int(self.width),
            int(heads),
            int(ratio),
            int(window),
            (head_dim as f32).powf(-0.5),
            head_dim,
        );
        self.with(output)
    }

    /// Depthwise 3 x 3 convolution, bias and GELU. `weight`: `[3, 3, channels]`.
    pub fn depthwise_gelu(&self, weight: &Buffer, bias: &Buffer) -> Self {
        let output = self.buffer.empty_like(self.numbers());
        let (count, dim) = one_each(self.buffer.client(), self.numbers());
        kernels::depthwise_gelu::launch(
            self.buffer.client(),
            count,
            dim,
            self.buffer.arg(),
            weight.arg(),
            bias.arg(),
            output.arg(),
            int(self.numbers()),
            int(self.height),
            int(self.width),
            int(self.channels),
        );
        self.with(output)
    }

    /// The sum of the map and a coarser one, upsampled bilinearly to its size; negative sums become 0 if `relu`.
    pub fn add_upsampled(&self, coarse: &Self, relu: bool) -> Self {
        let size = [self.height, self.width];
        coarse.upsample(size, Some(&self.buffer), relu)
    }

    /// The map, upsampled bilinearly to `[height, width]`.
    pub fn upsampled(&self, size: [usize; 2]) -> Self {
        self.upsample(size, None, false)
    }

    fn upsample(&self, [height, width]: [usize; 2], base: Option<&Buffer>, relu: bool) -> Self {
        let numbers = self.batch * height * width * self.channels;
        let output = self.buffer.empty_like(numbers);
        let (count, dim) = one_each(self.buffer.client(), numbers);
        kernels::add_upsampled::launch(
            self.buffer.client(),
            count,
            dim,
            base.unwrap_or(&self.buffer).arg(),
            self.buffer.arg(),
            output.arg(),
            int(numbers),
            int(height),
            int(width),
            int(self.height),
            int(self.width),
            int(self.channels),
            u32::from(relu),
            base.is_some(),
        );
        Self {
            buffer: output,
            height,
            width,
            ..*self
        }
    }

    /// Logits of both heads, of the products of the features with both heads' weights. `bias`: `[classes + rare]`.
    pub fn attend_logits(&self, bias: &Buffer, rare: usize) -> Self {
        let output = self.buffer.empty_like(self.numbers());
        let (count, dim) = one_each(self.buffer.client(), self.tokens());
        kernels::attend_logits::launch(
            self.buffer.client(),
            count,
            dim,
            self.buffer.arg(),
            bias.arg(),
            output.arg(),
            int(self.tokens()),
            int(self.channels - rare),
            int(rare),
        );
        self.with(output)
    }

    /// The first channels and the last ones, `rare` of them, as planes: `[batch, channels - rare, height, width]` and `[batch, rare, height, width]`.
    pub fn into_planes(self, rare: usize) -> [Buffer; 2] {
        let first = self.buffer.empty_like(self.tokens() * (self.channels - rare));
        let last = self.buffer.empty_like(self.tokens() * rare);
        let (count, dim) = one_each(self.buffer.client(), self.tokens());
        kernels::planes::launch(
            self.buffer.client(),
            count,
            dim,
            self.buffer.arg(),
            first.arg(),
            last.arg(),
            int(self.tokens()),
            int(self.height * self.width),
            int(self.channels - rare),
            int(rare),
        );
        [first, last]
    }
}

/// What becomes of a product before it is written.
#[derive(Default, Clone, Copy)]
pub(crate) struct Epilogue<'a> {
    /// Added to it.
    pub residual: Option<&'a Map>,
    /// Negative numbers become 0.
    pub relu: bool,
}

/// The layer's convolution of a map of `[batch, channels, height, width]` in the layout of the strides of batch, row, column and channel.
pub(crate) fn product(
    input: &Buffer,
    [batch, channels, height, width]: [usize; 4],
    strides: [usize; 4],
    layer: &Layer,
    epilogue: Epilogue<'_>,
) -> Map {
    assert_eq!(channels, layer.channels_in, "the layer is for as many channels");
    let out = |size: usize| (size + 2 * layer.padding - layer.kernel) / layer.stride + 1;
    let (height_out, width_out) = (out(height), out(width));
    let tokens = batch * height_out * width_out;
    let output = input.empty_like(tokens * layer.channels_out);
    // As much as a unit can hold, but no more channels than there are.
    let columns_per_unit = if layer.channels_out > 2 * EDGE {
        4
    } else {
        layer.channels_out.div_ceil(EDGE)
    };
    let rows_per_unit = if layer.is_coarse { 2 } else { 4 };
    let down = tokens.div_ceil(EDGE * rows_per_unit);
    let count = CubeCount::Static(
        int(layer.channels_out.div_ceil(EDGE * columns_per_unit)),
        int(down.min(MOST_CUBES)),
        int(down.div_ceil(MOST_CUBES)),
    );
    kernels::product::launch(
        input.client(),
        count,
        CubeDim::new_2d(int(EDGE), int(EDGE)),
        input.arg(),
        layer.weight.arg(),
        layer.bias.arg(),
        epilogue.residual.map_or(&layer.weight, |map| &map.buffer).arg(),
        output.arg(),
        int(tokens),
        int(channels),
        int(layer.channels_out),
        int(height),
        int(width),
        int(height_out),
        int(width_out),
        int(strides[0]),
        int(strides[1]),
        int(strides[2]),
        int(strides[3]),
        int(layer.kernel),
        int(layer.stride),
        int(layer.padding),
        u32::from(epilogue.relu),
        rows_per_unit,
        columns_per_unit,
        layer.kernel == 1 && layer.stride == 1 && strides[3] == 1,
        epilogue.residual.is_some(),
    );
    Map {
        buffer: output,
        batch,
        height: height_out,
        width: width_out,
        channels: layer.channels_out,
    }
}

/// Cubes that have a unit for each of `units`.
fn one_each(client: &Client, units: usize) -> (CubeCount, CubeDim) {
    let dim = CubeDim::new_1d(UNITS);
    (calculate_cube_count_elemwise(client, units, dim), dim)
}

/// Kernels count with 32 bits.
fn int(size: usize) -> u32 {
    u32::try_from(size).expect("what fits a GPU's buffer has fewer than four billion numbers")
}
