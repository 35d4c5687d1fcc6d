//! The blocks that the convolutional families are built from; each block is here once and used by several.

pub(crate) mod aspp;
pub(crate) mod attention_gate;
pub(crate) mod double_conv;
pub(crate) mod global_context;
pub(crate) mod position_attention;
pub(crate) mod resnet;
pub(crate) mod squeeze_excitation;
pub(crate) mod upsampler;

/// Number of trainable parameters of `module`, on a device with autodiff, as papers count them. burn counts batch norm's running means and
/// variances as well.
#[cfg(test)]
pub(crate) fn trainable<M: burn::module::Module>(module: &M) -> usize {
    use burn::module::{ModuleVisitor, Param};
    use burn::tensor::Tensor;

    struct Count(usize);

    impl ModuleVisitor for Count {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.0 += usize::from(param.is_require_grad()) * param.shape().num_elements();
        }
    }

    let mut count = Count(0);
    module.visit(&mut count);
    count.0
}
