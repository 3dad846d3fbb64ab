/**
 * TensorFlow's operations that compute and do nothing else: no file, no process, no network, no code of another
 * language. What is not listed here may do more, and so may operations that later versions add. Names as in
 * TensorFlow's `ops.pbtxt`.
 */

const constants = `Const Identity IdentityN NoOp Placeholder PlaceholderWithDefault PlaceholderV2 StopGradient
  PreventGradient EnsureShape Shape ShapeN Size Rank GuaranteeConst Snapshot DeepCopy Bitcast Cast CheckNumerics
  CheckNumericsV2 Assert Where InvertPermutation`;

const variables = `VarHandleOp ReadVariableOp AssignVariableOp AssignAddVariableOp AssignSubVariableOp VarIsInitializedOp
  VariableShape VariableV2 Variable Assign AssignAdd AssignSub IsVariableInitialized ResourceGather ResourceGatherNd
  DestroyResourceOp TemporaryVariable DestroyTemporaryVariable DisableCopyOnRead`;

const flow = `PartitionedCall StatefulPartitionedCall If StatelessIf While StatelessWhile Case StatelessCase For Switch
  RefSwitch Merge RefMerge Enter RefEnter Exit RefExit NextIteration RefNextIteration LoopCond ControlTrigger FakeParam`;

const arrays = `Reshape Transpose ConjugateTranspose ExpandDims Squeeze Pack Unpack ParallelConcat Concat ConcatV2
  ConcatOffset Split SplitV Slice StridedSlice Tile Pad PadV2 MirrorPad Reverse ReverseV2 ReverseSequence Gather GatherV2
  GatherNd ScatterNd TensorScatterUpdate TensorScatterAdd TensorScatterSub TensorScatterMax TensorScatterMin
  ScatterNdNonAliasingAdd Fill ZerosLike OnesLike Range LinSpace OneHot Diag DiagPart MatrixDiag MatrixDiagV2
  MatrixDiagV3 MatrixDiagPart MatrixDiagPartV2 MatrixDiagPartV3 MatrixSetDiag MatrixSetDiagV2 MatrixSetDiagV3
  MatrixBandPart BroadcastTo BroadcastArgs BroadcastGradientArgs Roll Unique UniqueV2 UniqueWithCounts
  UniqueWithCountsV2 ListDiff SpaceToBatch SpaceToBatchND BatchToSpace BatchToSpaceND SpaceToDepth DepthToSpace
  ExtractImagePatches ExtractVolumePatches TopK TopKV2 InTopK InTopKV2 NthElement SearchSorted UpperBound LowerBound
  DynamicPartition DynamicStitch ParallelDynamicStitch Bucketize Empty EditDistance TensorStridedSliceUpdate
  StridedSliceGrad Select SelectV2 Fingerprint Invert UnravelIndex HistogramFixedWidth Bincount DenseBincount`;

const elements = `Add AddV2 AddN AccumulateNV2 Sub Mul MulNoNan Div RealDiv DivNoNan FloorDiv TruncateDiv Mod FloorMod
  TruncateMod Neg Abs Sign Square SquaredDifference Sqrt SqrtGrad Rsqrt RsqrtGrad Reciprocal ReciprocalGrad Inv InvGrad
  Pow Exp Expm1 Log Log1p Xlogy Xlog1py Xdivy Sin Cos Tan Asin Acos Atan Atan2 Sinh Cosh Tanh TanhGrad Asinh Acosh Atanh
  Sigmoid SigmoidGrad Erf Erfc Erfinv Ndtri Lgamma Digamma Polygamma Zeta Igamma Igammac Betainc BesselI0 BesselI1
  BesselI0e BesselI1e Ceil Floor Round Rint Maximum Minimum ClipByValue IsNan IsInf IsFinite Equal NotEqual Less LessEqual
  Greater GreaterEqual ApproximateEqual LogicalAnd LogicalOr LogicalNot BitwiseAnd BitwiseOr BitwiseXor LeftShift
  RightShift PopulationCount Real Imag Complex ComplexAbs Conj Angle NextAfter Cross`;

const sums = `Sum Mean Prod Max Min All Any ArgMax ArgMin EuclideanNorm LogSumExp Cumsum Cumprod CumulativeLogsumexp
  SegmentSum SegmentMean SegmentProd SegmentMax SegmentMin UnsortedSegmentSum UnsortedSegmentProd UnsortedSegmentMax
  UnsortedSegmentMin SparseSegmentSum SparseSegmentMean SparseSegmentSqrtN SparseSegmentSumWithNumSegments
  SparseSegmentMeanWithNumSegments SparseSegmentSqrtNWithNumSegments`;

const matrices = `MatMul BatchMatMul BatchMatMulV2 BatchMatMulV3 SparseMatMul Einsum Cholesky MatrixInverse
  MatrixDeterminant LogMatrixDeterminant MatrixSolve MatrixTriangularSolve MatrixSolveLs SelfAdjointEig
  SelfAdjointEigV2 Eig Qr Svd Lu TridiagonalSolve TridiagonalMatMul FFT FFT2D FFT3D IFFT IFFT2D IFFT3D RFFT RFFT2D RFFT3D
  IRFFT IRFFT2D IRFFT3D`;

const networks = `BiasAdd BiasAddV1 BiasAddGrad Conv2D Conv3D Conv DepthwiseConv2dNative Conv2DBackpropInput
  Conv3DBackpropInput Conv3DBackpropInputV2 Conv2DBackpropFilter DepthwiseConv2dNativeBackpropInput Dilation2D AvgPool
  AvgPool3D AvgPoolGrad MaxPool MaxPoolV2 MaxPool3D MaxPoolGrad MaxPoolWithArgmax FractionalAvgPool FractionalMaxPool
  FusedBatchNorm FusedBatchNormV2 FusedBatchNormV3 BatchNormWithGlobalNormalization LRN L2Loss Relu Relu6 ReluGrad
  LeakyRelu Elu Selu Softplus Softsign Gelu Softmax LogSoftmax SoftmaxCrossEntropyWithLogits
  SparseSoftmaxCrossEntropyWithLogits BlockLSTM BlockLSTMV2 LSTMBlockCell GRUBlockCell CudnnRNN CudnnRNNV2 CudnnRNNV3
  CudnnRNNCanonicalToParams CudnnRNNCanonicalToParamsV2 CTCGreedyDecoder CTCBeamSearchDecoder _FusedConv2D _FusedMatMul
  _FusedBatchNormEx QuantizeAndDequantize QuantizeAndDequantizeV2 QuantizeAndDequantizeV3 QuantizeAndDequantizeV4
  FakeQuantWithMinMaxArgs FakeQuantWithMinMaxVars FakeQuantWithMinMaxVarsPerChannel QuantizeV2 Dequantize
  QuantizedConv2D QuantizedMatMul QuantizedBiasAdd QuantizedRelu QuantizedRelu6 QuantizedMaxPool QuantizedAvgPool
  QuantizedReshape QuantizedConcat QuantizedAdd QuantizedMul Requantize RequantizationRange QuantizeDownAndShrinkRange`;

const images = `ResizeBilinear ResizeNearestNeighbor ResizeBicubic ResizeArea ScaleAndTranslate CropAndResize
  ImageProjectiveTransformV2 ImageProjectiveTransformV3 AdjustContrastv2 AdjustHue AdjustSaturation RGBToHSV HSVToRGB
  ExtractGlimpse ExtractGlimpseV2 NonMaxSuppression NonMaxSuppressionV2 NonMaxSuppressionV3 NonMaxSuppressionV4
  NonMaxSuppressionV5 CombinedNonMaxSuppression NonMaxSuppressionWithOverlaps DecodeJpeg DecodePng DecodeBmp DecodeGif
  DecodeImage DecodeAndCropJpeg DecodeRaw DecodePaddedRaw DrawBoundingBoxes DrawBoundingBoxesV2 Spectrogram Mfcc
  AudioSpectrogram`;

const randomNumbers = `RandomUniform RandomUniformInt RandomStandardNormal TruncatedNormal ParameterizedTruncatedNormal
  RandomShuffle Multinomial RandomGamma RandomPoissonV2 StatelessRandomUniform StatelessRandomUniformInt
  StatelessRandomUniformFullInt StatelessRandomNormal StatelessTruncatedNormal StatelessMultinomial
  StatelessRandomUniformV2 StatelessRandomUniformIntV2 StatelessRandomNormalV2 StatelessTruncatedNormalV2
  StatelessRandomGetKeyCounter StatelessRandomGetAlg StatelessRandomGetKeyCounterAlg RngReadAndSkip StatefulUniform
  StatefulStandardNormalV2 StatefulUniformInt StatefulUniformFullInt`;

const lists = `TensorListReserve TensorListFromTensor TensorListStack TensorListSetItem TensorListGetItem
  TensorListPushBack TensorListPopBack TensorListLength TensorListElementShape TensorListResize TensorListGather
  TensorListScatter TensorListScatterV2 TensorListConcat TensorListConcatV2 TensorListSplit TensorListConcatLists
  EmptyTensorList TensorArrayV3 TensorArrayReadV3 TensorArrayWriteV3 TensorArrayGatherV3 TensorArrayScatterV3
  TensorArraySizeV3 TensorArrayConcatV3 TensorArraySplitV3 TensorArrayCloseV3 RaggedTensorToTensor RaggedTensorToSparse
  RaggedTensorToVariant RaggedTensorFromVariant RaggedRange RaggedGather RaggedBincount`;

const sparse = `SparseToDense SparseTensorDenseMatMul SparseTensorDenseAdd SparseReorder SparseReshape SparseSlice
  SparseConcat SparseSplit SparseAdd SparseFillEmptyRows SparseReduceSum SparseReduceMax SparseSoftmax SparseCross
  SparseCrossV2 SparseCrossHashed SparseDenseCwiseMul SparseDenseCwiseAdd SparseDenseCwiseDiv SparseBincount`;

const texts = `StringLower StringUpper StringStrip StringLength StringJoin StringFormat StringSplit StringSplitV2
  StringNGrams StringToNumber StringToHashBucket StringToHashBucketFast StringToHashBucketStrong Substr RegexReplace
  RegexFullMatch StaticRegexReplace StaticRegexFullMatch AsString UnicodeDecode UnicodeDecodeWithOffsets UnicodeEncode
  UnicodeScript UnicodeTranscode ReduceJoin UnsortedSegmentJoin DecodeBase64 EncodeBase64 ParseExample ParseExampleV2
  ParseSingleExample ParseSequenceExample ParseSequenceExampleV2 DecodeCSV
  DecodeJSONExample`;

const tables = `HashTable HashTableV2 MutableHashTable MutableHashTableV2 MutableDenseHashTableV2 AnonymousHashTable
  AnonymousMutableHashTable InitializeTable InitializeTableV2 LookupTableFind LookupTableFindV2 LookupTableImport
  LookupTableImportV2 LookupTableInsertV2 LookupTableSize LookupTableSizeV2 LookupTableExport LookupTableExportV2`;

const groups = [constants, variables, flow, arrays, elements, sums, matrices, networks];
const others = [images, randomNumbers, lists, sparse, texts, tables];

/** The operations that a SavedModel may run without being trusted. */
export const computingOperations: ReadonlySet<string> = new Set(
  [...groups, ...others].flatMap((group) => group.split(/\s+/)).filter((name) => name !== ''),
);
