/**
 * Lockstep as a library: engines, models, datasets, the plan, the canonical all-reduce and the
 * trainer, to build a training program of your own from the parts that the commands are made of; and
 * what saves, opens, asks and scores a trained model.
 *
 * @example Train on arrays of your own, in this process (whole: examples/train_in_20_lines.ts)
 * ```ts
 * import { arrayDataset, convLstm, openEngine, trainAlone } from "./mod.ts";
 *
 * const engine = await openEngine("auto", { threads: 1, precision: "float32" });
 * const frameShape = [12, 12, 1] as const;
 * const noise = () => Float32Array.from({ length: 20 * 144 }, (_, i) => (i * 7919 % 101) / 101);
 * const sequences = { train: [noise()], validation: [noise()], test: [] };
 * const dataset = arrayDataset({ name: "noise", frameShape, sequences });
 * const model = convLstm({ frameShape, filters: [8], kernelSize: 3, windowFrames: 5 });
 * const { parameters, validationLoss } = await trainAlone({ engine, dataset, model, lanes: 1 });
 * ```
 *
 * @example Open what a run has trained, predict a test sequence and score them all
 * ```ts
 * import { createPredictor, openTrained, scoreSplit, sequenceReader } from "./mod.ts";
 *
 * const trained = await openTrained({ run: "runs/moving-mnist-convlstm-001", best: true });
 * const predictor = createPredictor(trained);
 * const { frames } = trained.dataset.catalogue(trained.split, 0)[0];
 * for await (const { frame, prediction } of predictor.predict(frames, sequenceReader(trained, 0))) {
 *   console.log(frame, prediction.length);
 * }
 * predictor.dispose();
 * const { means } = await scoreSplit(trained);
 * console.log(means.loss, means.persistenceLoss);
 * trained.close();
 * ```
 *
 * Nothing inside the project imports this file.
 */
export type {
  CompiledFunction,
  Engine,
  EngineName,
  EngineOptions,
  ExecutionMode,
  Precision,
  TensorFunction,
} from "./engine/engine.ts";
export { EngineError } from "./engine/engine_error.ts";
export { openEngine, type OpenEngineOptions } from "./engine/open_engine.ts";
export { type Tensor, tf } from "./engine/tf.ts";

export {
  type Dataset,
  DatasetError,
  type FrameShape,
  type ReadRequest,
  type SequenceEntry,
  type Split,
} from "./datasets/dataset.ts";
export { datasetNames, type DatasetOptions, openDataset } from "./datasets/open_dataset.ts";
export { type Plan, planEpoch, type PlanOptions, type WindowTask } from "./datasets/plan.ts";
export { prefetch } from "./datasets/prefetch.ts";
export type { WindowShape } from "./datasets/window_shape.ts";

export { buildModel, builtInModels, findModel } from "./models/build_model.ts";
export { ModelError } from "./models/check_model.ts";
export { cnnLstm, type CnnLstmOptions } from "./models/cnn_lstm.ts";
export { convAutoencoder, type ConvAutoencoderOptions } from "./models/conv_autoencoder.ts";
export { convLstm, type ConvLstmOptions } from "./models/convlstm.ts";
export {
  convLstmClassifier,
  type ConvLstmClassifierOptions,
} from "./models/convlstm_classifier.ts";
export { convLstmUnet, type ConvLstmUnetOptions } from "./models/convlstm_unet.ts";
export { encoderForecaster, type EncoderForecasterOptions } from "./models/encoder_forecaster.ts";
export { predNet, type PredNetOptions } from "./models/prednet.ts";
export { predRnn, type PredRnnOptions } from "./models/predrnn.ts";
export { seq2seqConvLstm, type Seq2seqConvLstmOptions } from "./models/seq2seq_convlstm.ts";
export { shiConvLstm, type ShiConvLstmOptions } from "./models/shi_convlstm.ts";
export { vae } from "./models/vae.ts";
export type { VaeOptions } from "./models/vae_forms.ts";
export { activate, type ActivationName } from "./models/layers/activation.ts";
export { convGru2d, type ConvGru2dOptions } from "./models/layers/conv_gru2d.ts";
export { convLstm2d, type ConvLstm2dOptions } from "./models/layers/conv_lstm2d.ts";
export {
  conv2d,
  conv2dTranspose,
  type Convolution2dOptions,
} from "./models/layers/convolution2d.ts";
export {
  conv3d,
  conv3dTranspose,
  type Convolution3dOptions,
} from "./models/layers/convolution3d.ts";
export { dense, type DenseOptions, flatten } from "./models/layers/dense.ts";
export { dropout } from "./models/layers/dropout.ts";
export { gru, type GruOptions } from "./models/layers/gru.ts";
export { initialValues } from "./models/layers/initial_values.ts";
export {
  divideParameters,
  type Layer,
  type LayerParameter,
  type RecurrentLayer,
  type RecurrentOutput,
  sequential,
} from "./models/layers/layer.ts";
export {
  layerNormalization,
  type LayerNormalizationOptions,
} from "./models/layers/layer_normalization.ts";
export { lstm, type LstmOptions } from "./models/layers/lstm.ts";
export { imagesToPatches, patchesToImages } from "./models/layers/patches.ts";
export { averagePooling2d, maxPooling2d, type Pooling2dOptions } from "./models/layers/pooling.ts";
export { recurrentStack, zeroState } from "./models/layers/recurrent_stack.ts";
export { type StLstm2d, stLstm2d, type StLstm2dOptions } from "./models/layers/st_lstm2d.ts";
export { timeDistributed } from "./models/layers/time_distributed.ts";
export { toLaneMajor, toTimeMajor } from "./models/layers/time_major.ts";
export { upsampling2d } from "./models/layers/upsampling.ts";
export { lossSum } from "./models/losses.ts";
export { glorotUniform, orthogonal } from "./models/initializers.ts";
export type {
  Model,
  ModelInputs,
  ModelOutput,
  NoiseSpec,
  ParameterSpec,
  StateSpec,
} from "./models/model.ts";
export type { ModelBuilder, ModelContext, ModelDefinition } from "./models/model_definition.ts";
export { flatParameters, namedParameters, type ParameterArray } from "./models/parameter_arrays.ts";
export { buildOptimizer } from "./models/optimizers/build_optimizer.ts";
export type { Optimizer, OptimizerUpdate, UpdateScalars } from "./models/optimizers/optimizer.ts";
export { buildSchedule, type Schedule } from "./models/schedules.ts";

export { createAllReduce } from "./collective/all_reduce.ts";
export type { AllReduceOptions } from "./collective/all_reduce_options.ts";
export { assignShards } from "./collective/canonical_tree.ts";
export { type AllReduce, AllReduceError, type Reduction } from "./collective/reduction.ts";

export { type Clock, systemClock } from "./net/clock.ts";
export type { Options, OptionSpec } from "./net/options.ts";
export { type Random, random } from "./net/random.ts";
export type {
  LossName,
  ModelConfiguration,
  OptimizerConfiguration,
  RunConfiguration,
} from "./net/run_configuration.ts";
export { createMemoryBroker, type MemoryBroker } from "./net/memory_transport.ts";
export { connectNats, type NatsOptions } from "./net/nats_transport.ts";
export type { Message, Subscription, Transport } from "./net/transport.ts";
export { TransportError } from "./net/transport.ts";

export {
  type ArrayAnswers,
  arrayDataset,
  type ArrayDatasetOptions,
  type ArrayLabels,
} from "./datasets/array_dataset.ts";
export { trainAlone, type TrainAloneOptions, type TrainedAlone } from "./worker/train_alone.ts";
export { createTrainer, type Trainer, type TrainerOptions } from "./worker/trainer.ts";
export { runTraining, type TrainingHooks, type TrainingOptions } from "./worker/run_training.ts";
export { runWorker, type WorkerOptions } from "./worker/run_worker.ts";

export { readCheckpoint, type SavedCheckpoint } from "./coordinator/checkpoint.ts";
export {
  type CheckpointPlace,
  type FoundCheckpoint,
  latestCheckpoint,
  listCheckpoints,
} from "./coordinator/checkpoint_folder.ts";
export { CheckpointError } from "./coordinator/checkpoint_manifest.ts";
export { diskFileSystem, type FileSystem } from "./coordinator/file_system.ts";
export {
  decodeSafetensors,
  encodeSafetensors,
  type NamedArray,
  SafetensorsError,
} from "./coordinator/safetensors.ts";
export { openTrained, type TrainedModel, type TrainedOptions } from "./launch/trained_model.ts";
export { UsageError } from "./launch/flags.ts";

export type { SampleOptions } from "./worker/answer_samples.ts";
export { createForecast, type Forecast, type ForecastOptions } from "./worker/forecast.ts";
export type { MeanLosses } from "./worker/mean_losses.ts";
export {
  createRollout,
  type RolledOut,
  type Rollout,
  type RolloutOptions,
} from "./worker/rollout.ts";
export { type ScoredSplit, scoreSplit, type ScoreSplitOptions } from "./worker/score_split.ts";
export {
  createPredictor,
  type FramePrediction,
  type PredictorOptions,
  type SequencePredictor,
  type SequenceSpan,
} from "./worker/sequence_predictor.ts";
export { sequenceReader } from "./worker/sequence_reader.ts";
export type { SplitResult } from "./worker/split_scores.ts";

export { persistence } from "./baselines/persistence.ts";
export { radarExtrapolation } from "./baselines/radar_extrapolation.ts";
export {
  createEvaluationScores,
  type EvaluationResult,
  type EvaluationScores,
  type EvaluationScoresOptions,
} from "./metrics/evaluation_scores.ts";
export { frameScores, videoScores } from "./metrics/video_scores.ts";

export { type Chart, renderChart, type Series } from "./report/chart.ts";
export { renderConfusion } from "./report/confusion_picture.ts";
export { renderLatentScatter } from "./report/latent_scatter.ts";
export { renderLeadTimePlot } from "./report/lead_time_plot.ts";
export type { PredictedSequence } from "./report/predicted_sequence.ts";
export { renderPredictionAnimation } from "./report/prediction_animation.ts";
export { type PredictionPicture, renderPredictions } from "./report/prediction_picture.ts";
export { renderTrainingCurves } from "./report/training_curves.ts";
