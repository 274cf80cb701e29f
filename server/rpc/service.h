// The gRPC services in the form that the server uses: asynchronous, with requests and responses as
// bytes.
//
// Bytes, because requests are parsed by us (read_request.h) and on the loop thread rather than on
// the completion queue's.
#pragma once

#include <atomic>

#include "grpc/health/v1/health.grpc.pb.h"
#include "pingti/v1/accounts_service.grpc.pb.h"
#include "pingti/v1/completion_service.grpc.pb.h"
#include "pingti/v1/embedding_service.grpc.pb.h"
#include "pingti/v1/models_service.grpc.pb.h"

namespace pingti::rpc {

using CompletionService = v1::Completion::WithRawMethod_GenerateCompletion<
    v1::Completion::WithRawMethod_StreamCompletion<v1::Completion::WithRawMethod_CountTokens<
        v1::Completion::WithRawMethod_GetQuota<v1::Completion::Service>>>>;
using ModelsService = v1::Models::WithRawMethod_ListModels<v1::Models::Service>;
using AccountMethods = v1::Accounts::WithRawMethod_GetBalance<v1::Accounts::WithRawMethod_TopUp<
    v1::Accounts::WithRawMethod_Adjust<v1::Accounts::WithRawMethod_ListTransfers<
        v1::Accounts::WithRawMethod_ListUsage<v1::Accounts::WithRawMethod_ListPrices<
            v1::Accounts::WithRawMethod_VerifyLedger<v1::Accounts::Service>>>>>>>;
using AccountsService =
    v1::Accounts::WithRawMethod_CreateTenant<v1::Accounts::WithRawMethod_SuspendTenant<
        v1::Accounts::WithRawMethod_ResumeTenant<v1::Accounts::WithRawMethod_DeleteTenant<
            v1::Accounts::WithRawMethod_SetTier<v1::Accounts::WithRawMethod_SetIdentities<
                v1::Accounts::WithRawMethod_ListTenants<v1::Accounts::WithRawMethod_CreateKey<
                    v1::Accounts::WithRawMethod_RotateKey<v1::Accounts::WithRawMethod_RevokeKey<
                        v1::Accounts::WithRawMethod_ListKeys<AccountMethods>>>>>>>>>>>;
using EmbeddingService = v1::Embedding::WithRawMethod_CreateEmbedding<v1::Embedding::Service>;

struct Services {
  CompletionService completion;
  ModelsService models;
  EmbeddingService embedding;
  AccountsService accounts;
  grpc::health::v1::Health::AsyncService health;
  // What the health service says.
  std::atomic<bool> serving{false};
};

}  // namespace pingti::rpc
