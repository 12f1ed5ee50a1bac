// AGP 9 compiles Kotlin itself; with the plugin for the JVM on the class path it does so in the version of the catalog.
plugins {
    alias(libs.plugins.android.application) apply false
    alias(libs.plugins.kotlin.jvm) apply false
    alias(libs.plugins.kotlin.compose) apply false
}
