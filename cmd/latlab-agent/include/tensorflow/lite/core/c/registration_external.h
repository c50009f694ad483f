// Included by the runtime's published headers but not shipped with them: the opaque type
// of custom ops, which latlab does not register.
#ifndef LATLAB_CORE_C_REGISTRATION_EXTERNAL_H_
#define LATLAB_CORE_C_REGISTRATION_EXTERNAL_H_
typedef struct TfLiteRegistrationExternal TfLiteRegistrationExternal;
#endif
