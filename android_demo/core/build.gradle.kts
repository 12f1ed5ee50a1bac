import org.jetbrains.kotlin.gradle.dsl.JvmTarget

plugins {
    alias(libs.plugins.kotlin.jvm)
}

java {
    sourceCompatibility = JavaVersion.VERSION_17
    targetCompatibility = JavaVersion.VERSION_17
}

kotlin {
    compilerOptions {
        jvmTarget = JvmTarget.JVM_17
        allWarningsAsErrors = true
    }
}

dependencies {
    implementation(project(":decoder"))
    api(libs.coroutines.core)
    // Android has org.json; on the JVM it must be brought.
    compileOnly(libs.json)
    testImplementation(libs.json)
    testImplementation(libs.junit)
}
