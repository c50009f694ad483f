// Declarations that the runtime's published headers include but do not ship: opaque
// types of the asynchronous API, of which latlab uses none.
#ifndef LATLAB_CORE_ASYNC_C_TYPES_H_
#define LATLAB_CORE_ASYNC_C_TYPES_H_
typedef struct TfLiteAsyncKernel TfLiteAsyncKernel;
typedef struct TfLiteExecutionTask TfLiteExecutionTask;
typedef struct TfLiteBackendBuffer TfLiteBackendBuffer;
typedef struct TfLiteSynchronization TfLiteSynchronization;
#endif
