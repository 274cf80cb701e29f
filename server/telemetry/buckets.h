// Bounds of the histograms, as the OpenTelemetry semantic conventions for generative AI (1.37)
// advise them for the metric of the same name; inclusive upper bounds, ascending.
#pragma once

namespace pingti::telemetry {

// Seconds. gen_ai.server.request.duration, gen_ai.client.operation.duration.
inline constexpr double kRequestSeconds[] = {0.01, 0.02, 0.04, 0.08,  0.16,  0.32,  0.64,
                                             1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92};

// Seconds. gen_ai.server.time_to_first_token.
inline constexpr double kFirstTokenSeconds[] = {0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1,
                                                0.25,  0.5,   0.75, 1.0,  2.5,  5.0,  7.5,  10.0};

// Seconds. gen_ai.server.time_per_output_token.
inline constexpr double kOutputTokenSeconds[] = {0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2,
                                                 0.3,  0.4,   0.5,  0.75,  1.0, 2.5};

// Tokens. gen_ai.client.token.usage.
inline constexpr double kTokens[] = {1,     4,     16,     64,      256,     1024,     4096,
                                     16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864};

// Seconds. An operation of the quota store; its budget is 20 ms.
inline constexpr double kStoreSeconds[] = {0.00005, 0.0001, 0.0002, 0.0005, 0.001,
                                           0.002,   0.005,  0.01,   0.02,   0.05};

// Seconds that a call waited for its quota.
inline constexpr double kWaitSeconds[] = {0.005, 0.01, 0.025, 0.05, 0.1,  0.25, 0.5,
                                          1.0,   2.5,  5.0,   10.0, 30.0, 60.0};

// Reserved tokens over used ones.
inline constexpr double kEstimateRatios[] = {0.25, 0.5, 0.7, 0.8, 0.9, 1.0, 1.1,
                                             1.25, 1.5, 2.0, 4.0, 8.0, 16.0};

// Writes that share one commit.
inline constexpr double kBatchSizes[] = {1, 2, 5, 10, 20, 50, 100, 200, 500};

}  // namespace pingti::telemetry
